using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Supervision;

/// <summary>What every replica of an application shares.</summary>
internal sealed record SupervisionContext(
    ResourceNotificationService Notifications,
    HostOutput Output,
    ChildLedger Ledger,
    TimeProvider Time
);

/// <summary>
/// One process of a resource: waits for what it depends on, starts it, watches its health, starts it again when it dies unasked,
/// and stops it. A program that runs to completion is started once.
/// </summary>
internal sealed class Replica(string id, IResource resource, IProcessRecipe recipe, bool runsToCompletion, SupervisionContext context)
    : IDisposable
{
    /// <summary>Starts that may fail before it is given up; a setting that is wrong stays wrong.</summary>
    private const int MaxFailedStarts = 3;

    /// <summary>Age at which a process without a health check counts as well.</summary>
    private static readonly TimeSpan WellAfter = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly RestartBudget _budget = new(context.Time);
    private readonly HealthWatch _health = new(recipe, context);
    private readonly Dictionary<string, string> _variables = new(StringComparer.Ordinal);
    private ManagedProcess? _process;
    private TaskCompletionSource? _heldDown;
    private bool _isKilledByOwner;
    private bool _hasBeenWell;
    private int _failedStarts;
    private Task _supervision = Task.CompletedTask;

    public string Id => id;

    public IResource Resource => resource;

    public TimeSpan StopGrace => recipe.StopGrace;

    public void Start() => _supervision = Task.Run(() => SuperviseAsync(_stopping.Token), CancellationToken.None);

    /// <summary>Ends the process for good. It is killed after its grace, or at once when <paramref name="killNow"/> fires.</summary>
    public async Task StopAsync(CancellationToken killNow)
    {
        ManagedProcess? process;
        lock (_lock)
        {
            _stopping.Cancel();
            process = _process;
        }

        await StopProcessAsync(process, killNow);
        await _supervision;
    }

    /// <summary>Kills the process and lets no other take its place; for when there is no time to wait.</summary>
    public void KillForGood()
    {
        lock (_lock)
        {
            _stopping.Cancel();
            _process?.KillWithAllItStarted();
        }
    }

    /// <summary>Ends the process and keeps it down until <see cref="Release"/>.</summary>
    public async Task HoldDownAsync(CancellationToken cancellationToken)
    {
        ManagedProcess? process;
        lock (_lock)
        {
            _heldDown ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            process = _process;
        }

        await StopProcessAsync(process, cancellationToken);
    }

    public void Release()
    {
        lock (_lock)
        {
            _heldDown?.TrySetResult();
            _heldDown = null;
        }
    }

    /// <summary>Sends a signal. A death that follows is not counted against the restarts allowed.</summary>
    public int Send(Signal signal)
    {
        lock (_lock)
        {
            if (_process is not { } process)
            {
                throw new InvalidOperationException($"{id} is not running, so it cannot be sent {signal}.");
            }

            _isKilledByOwner |= signal is Signal.Kill or Signal.Terminate or Signal.Interrupt;
            process.Send(signal);
            return process.Pid;
        }
    }

    /// <summary>Sets a variable from the next start on, or takes it away again. While there is one, a death is not counted.</summary>
    public void SetVariable(string name, string? value)
    {
        lock (_lock)
        {
            if (value is null)
            {
                _variables.Remove(name);
            }
            else
            {
                _variables[name] = value;
            }
        }
    }

    public void Dispose() => _stopping.Dispose();

    private async Task SuperviseAsync(CancellationToken stopping)
    {
        try
        {
            Publish(s => s with { State = new(KnownResourceStates.Waiting) });
            await Dependencies.WaitAsync(resource, context.Notifications, stopping);
            Publish(s => s with { State = new(KnownResourceStates.Starting) });
            await recipe.PrepareAsync(stopping);
            await KeepRunningAsync(stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            Publish(s => s with { State = new(KnownResourceStates.Exited) });
        }
        catch (DistributedApplicationException e)
        {
            Fail(e.Message);
        }
        catch (Exception e)
        {
            // One resource that cannot start must not take the host's own bookkeeping with it.
            Fail(e.ToString());
        }
    }

    private async Task KeepRunningAsync(CancellationToken stopping)
    {
        while (true)
        {
            var startedAt = context.Time.GetTimestamp();
            var exitCode = await RunOnceAsync(stopping);
            stopping.ThrowIfCancellationRequested();
            _hasBeenWell |= context.Time.GetElapsedTime(startedAt) >= WellAfter;
            if (runsToCompletion)
            {
                Publish(s => s with { State = new(KnownResourceStates.Finished) });
                return;
            }

            if (await WaitWhileHeldDownAsync(stopping))
            {
                continue;
            }

            GiveUpAfterFailedStarts(exitCode);
            var delay = _isKilledByOwner ? TimeSpan.Zero : _budget.Next();
            _isKilledByOwner = false;
            context.Output.Say(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{id} ended unasked with exit code {exitCode}; it is started again in {delay.TotalSeconds:0.##} s (at most {RestartBudget.MaxRestartsPerMinute} times a minute)"
                )
            );
            Publish(s => s with { State = new(KnownResourceStates.Starting), RestartCount = s.RestartCount + 1 });
            await Task.Delay(delay, context.Time, stopping);
        }
    }

    private async Task<int> RunOnceAsync(CancellationToken stopping)
    {
        var spec = await recipe.DescribeAsync(id, stopping);
        ManagedProcess process;
        lock (_lock)
        {
            stopping.ThrowIfCancellationRequested();
            _isKilledByOwner = _variables.Count > 0;
            spec = spec with
            {
                Environment = new Dictionary<string, string>([
                    .. spec.Environment.Where(v => !_variables.ContainsKey(v.Key)),
                    .. _variables,
                ]),
            };
            process = _process = ManagedProcess.Start(spec, id, context.Ledger, line => context.Output.Write(id, line));
        }

        using (process)
        {
            Publish(s =>
                s with
                {
                    State = new(KnownResourceStates.Running),
                    ProcessId = process.Pid,
                    ExitCode = null,
                    IsHealthy = recipe.HasHealthCheck ? null : true,
                }
            );
            using var watching = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var watch = recipe.HasHealthCheck ? _health.WatchAsync(id, ShowHealth, watching.Token) : Task.CompletedTask;
            var exitCode = await process.Exited;
            await watching.CancelAsync();
            await watch;
            lock (_lock)
            {
                _process = null;
            }

            Publish(s => s with { ProcessId = null, ExitCode = exitCode, IsHealthy = null });
            return exitCode;
        }
    }

    private async Task StopProcessAsync(ManagedProcess? process, CancellationToken killNow)
    {
        if (process is null)
        {
            return;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(killNow);
        patience.CancelAfter(recipe.StopGrace);
        await process.StopAsync(recipe.StopSignal, patience.Token);
    }

    private async Task<bool> WaitWhileHeldDownAsync(CancellationToken stopping)
    {
        TaskCompletionSource? heldDown;
        lock (_lock)
        {
            heldDown = _heldDown;
        }

        if (heldDown is null)
        {
            return false;
        }

        Publish(s => s with { State = new(KnownResourceStates.Exited) });
        await heldDown.Task.WaitAsync(stopping);
        return true;
    }

    private void ShowHealth(bool healthy)
    {
        _hasBeenWell |= healthy;
        Publish(s => s with { IsHealthy = healthy });
    }

    private void GiveUpAfterFailedStarts(int exitCode)
    {
        if (_hasBeenWell || _isKilledByOwner || exitCode == 0 || ++_failedStarts < MaxFailedStarts)
        {
            return;
        }

        var last = context.Output.LastLines(id, 5);
        throw new DistributedApplicationException(
            string.Create(
                CultureInfo.InvariantCulture,
                $"it ended with exit code {exitCode} {_failedStarts} times before it was healthy. Its last lines:\n{string.Join('\n', last)}"
            )
        );
    }

    private void Fail(string reason)
    {
        context.Output.Say($"{id} could not be started: {reason}");
        Publish(s => s with { State = new(KnownResourceStates.FailedToStart) });
    }

    private void Publish(Func<CustomResourceSnapshot, CustomResourceSnapshot> change)
    {
        context.Notifications.Publish(id, change);
        foreach (var child in recipe.Children)
        {
            context.Notifications.Publish(child, s => change(s) with { ProcessId = null });
        }
    }
}
