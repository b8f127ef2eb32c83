using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Supervision;

/// <summary>Runs an application's resources: all at once, each as soon as what it waits for allows; and stops them backwards.</summary>
internal sealed class Supervisor(
    IReadOnlyList<IResource> resources,
    HostSettings settings,
    Func<IResource, StateDirectory, SupervisionContext, IProcessRecipe?> recipeFor,
    ResourceNotificationService notifications,
    TimeProvider time
) : IAsyncDisposable
{
    // Programs first, then the servers under them; together under the ten seconds a person waits for Ctrl+C.
    private static readonly TimeSpan MaxStopOfPrograms = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan MaxStop = TimeSpan.FromSeconds(9.5);

    private readonly Dictionary<IResource, List<Replica>> _replicas = [];
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private StateDirectory? _state;
    private HostOutput? _output;
    private StatusFile? _status;

    public IReadOnlyList<IResource> Resources => resources;

    /// <summary>Completes when a resource can no longer start.</summary>
    public Task Failed => _failed.Task;

    /// <summary>Completes when everything that should run is healthy and everything that should be finished is.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Null until started.</summary>
    public HostOutput? Output => _output;

    public IReadOnlyList<Replica> ReplicasOf(string resourceName) =>
        _replicas.FirstOrDefault(r => r.Key.Name.Equals(resourceName, StringComparison.OrdinalIgnoreCase)).Value
        ?? throw new ArgumentException($"No resource named '{resourceName}' has a process here.", nameof(resourceName));

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var state = _state = StateDirectory.Open(settings.StateDirectory);
        var output = _output = new(state.Logs, settings.Console, time);
        output.Say($"starting, with state in {state.Path}");
        var leftovers = await state.Ledger.ReapAsync(cancellationToken);
        if (leftovers.Count > 0)
        {
            output.Say($"ended what an earlier host, killed before it could stop them, had left running: {string.Join(", ", leftovers)}");
        }

        state.Ledger.Begin();
        AllocatePorts();
        var context = new SupervisionContext(notifications, output, state.Ledger, time);
        foreach (var resource in resources)
        {
            Declare(resource, recipeFor(resource, state, context), context);
        }

        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
        _status = new(state.StatusFile, notifications);
        notifications.Changed += OnChanged;
        OnChanged();
        foreach (var replica in _replicas.Values.SelectMany(r => r))
        {
            replica.Start();
        }
    }

    public async Task StopAsync(CancellationToken killNow)
    {
        if (_status is null)
        {
            return;
        }

        _status.State = "stopping";
        using var programs = CancellationTokenSource.CreateLinkedTokenSource(killNow);
        using var servers = CancellationTokenSource.CreateLinkedTokenSource(killNow);
        programs.CancelAfter(MaxStopOfPrograms);
        servers.CancelAfter(MaxStop);
        Dictionary<IResource, Task> stops = [];
        await Task.WhenAll(_replicas.Keys.Select(StopOnceAsync).ToList());

        Task StopOnceAsync(IResource resource) =>
            stops.TryGetValue(resource, out var known) ? known : stops[resource] = StopAfterDependantsAsync(resource);

        async Task StopAfterDependantsAsync(IResource resource)
        {
            var dependants = _replicas.Keys.Where(other => Dependencies.Of(other).Contains(resource)).ToList();
            await Task.WhenAll(dependants.Select(StopOnceAsync));
            var patience = resource is ContainerResource ? servers.Token : programs.Token;
            await Task.WhenAll(_replicas[resource].Select(r => r.StopAsync(patience)));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_state is not { } state)
        {
            return;
        }

        AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
        notifications.Changed -= OnChanged;
        await StopAsync(CancellationToken.None);
        if (_status is { } status)
        {
            status.State = "stopped";
            state.Ledger.Clear();
        }

        foreach (var replica in _replicas.Values.SelectMany(r => r))
        {
            replica.Dispose();
        }

        _output?.Dispose();
        if (TemporaryState.IsTemporary(state.Path))
        {
            state.Delete();
        }

        state.Dispose();
        _state = null;
        _status = null;
    }

    private void AllocatePorts()
    {
        foreach (var resource in resources)
        {
            foreach (var endpoint in resource.Endpoints())
            {
                if (resource.ReplicaCount() > 1)
                {
                    throw new DistributedApplicationException(
                        $"Resource '{resource.Name}' has an endpoint and several replicas, which cannot share one port. Remove WithReplicas or the endpoint."
                    );
                }

                if (endpoint.Port is { } wanted && !settings.RandomizePorts && !FreePorts.IsFree(wanted))
                {
                    var variable = $"AIBACKEND_{resource.Name.ToUpperInvariant().Replace('-', '_')}_PORT";
                    throw new DistributedApplicationException(
                        string.Create(
                            CultureInfo.InvariantCulture,
                            $"Port {wanted}, which {resource.Name} listens on, is in use by another program. End that program, or choose another port: {variable}={wanted + 100}."
                        )
                    );
                }

                endpoint.AllocatedPort = settings.RandomizePorts ? FreePorts.Take() : endpoint.Port ?? FreePorts.Take();
            }
        }
    }

    private void Declare(IResource resource, IProcessRecipe? recipe, SupervisionContext context)
    {
        if (recipe is null)
        {
            if (resource is IResourceWithParent)
            {
                notifications.Declare(resource, resource.Name);
            }

            return;
        }

        var runsToCompletion = resources.Any(other =>
            other.Waits().Any(w => w.Resource == resource && w.WaitType == WaitType.ForCompletion)
        );
        var count = resource.ReplicaCount();
        var replicas = _replicas[resource] = [];
        for (var i = 1; i <= count; i++)
        {
            var id = count == 1 ? resource.Name : string.Create(CultureInfo.InvariantCulture, $"{resource.Name}-{i}");
            context.Output.Declare(id);
            notifications.Declare(resource, id);
            replicas.Add(new(id, resource, recipe, runsToCompletion, context));
        }
    }

    /// <summary>For a program that ends without having stopped its application: it still leaves nothing behind.</summary>
    internal void KillAll()
    {
        foreach (var replica in _replicas.Values.SelectMany(r => r))
        {
            replica.KillForGood();
        }
    }

    private void OnProcessExit(object? sender, EventArgs e) => KillAll();

    private void OnChanged()
    {
        var replicas = notifications.Current;
        if (replicas.Any(HasFailed))
        {
            if (_status is { State: "starting" } starting)
            {
                starting.State = "failed";
            }

            _failed.TrySetResult();
        }
        else if (replicas.All(r => r.Snapshot.IsRunningAndHealthy || r.Snapshot.State?.Text == KnownResourceStates.Finished))
        {
            if (_status is { State: "starting" } starting)
            {
                starting.State = "ready";
            }

            _ready.TrySetResult();
        }

        _status?.Write();
    }

    private static bool HasFailed(ResourceEvent replica) =>
        replica.Snapshot.State?.Text == KnownResourceStates.FailedToStart
        || (replica.Snapshot.State?.Text == KnownResourceStates.Finished && replica.Snapshot.ExitCode != 0);
}
