using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Tests.Simulation;

/// <summary>An Api process: the product's submission, cancel and readers, reached over connections that break.</summary>
internal sealed class SimApi
{
    private readonly World _world;
    private JobSubmission _submission = null!;
    private CancelJob _cancel = null!;
    private JobEventReader? _reader;

    public SimApi(World world, string name)
    {
        _world = world;
        Process = new SimProcess(world.Schedule, name);
        Process.Do(Begin);
    }

    public SimProcess Process { get; }

    public Task<SubmitOutcome> SubmitAsync(JobDraft draft) => CallAsync(() => _submission.SubmitAsync(draft), TimeSpan.FromSeconds(8));

    public Task<CancelOutcome> CancelAsync(JobDraft draft) =>
        CallAsync(() => _cancel.RunAsync(draft.TenantId, draft.Id, CancellationToken.None), TimeSpan.FromSeconds(8));

    /// <summary>Streams events until the log ends or the connection does.</summary>
    public Task<bool> WatchAsync(Guid jobId, int after, TimeSpan lifetime, Action<JobEventRecord> deliver)
    {
        var closed = new CancellationTokenSource(lifetime, Process.Clock);
        var isOpen = true;
        var call = CallAsync(
            async () =>
            {
                await foreach (var record in _reader!.WatchAsync(ApiKeyStore.DefaultTenant, jobId, after, closed.Token))
                {
                    if (isOpen)
                    {
                        deliver(record);
                    }
                }

                return true;
            },
            lifetime
        );
        return CloseAsync();

        async Task<bool> CloseAsync()
        {
            try
            {
                return await call;
            }
            finally
            {
                // What a frozen process still sends after its client has gone is heard by nobody.
                isOpen = false;
            }
        }
    }

    private void Begin()
    {
        var parts = SimWorker.PartsOf(_world, Process);
        _submission = parts.Get<JobSubmission>();
        _cancel = parts.Get<CancelJob>();
        _reader = parts.Get<JobEventReader>();
        _ = SimWorker.Execute(parts.Get<JobEventFeed>(), CancellationToken.None);
    }

    private Task<T> CallAsync<T>(Func<Task<T>> work, TimeSpan patience)
    {
        var reply = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var schedule = _world.Schedule;
        if (Process.IsDead || (_world.FaultsOn && schedule.Chance(0.03)))
        {
            _world.After(TimeSpan.Zero, Break);
            return reply.Task;
        }

        var losesReply = _world.FaultsOn && schedule.Chance(0.05);
        Process.OnDeath(() => _world.After(TimeSpan.Zero, Break));
        _world.After(patience, Break);
        Process.Do(() => _ = RunAsync());
        return reply.Task;

        void Break() => reply.TrySetException(new ConnectionBrokenException());

        async Task RunAsync()
        {
            // Started, and not listening yet.
            if (_reader is null)
            {
                Break();
                return;
            }

            try
            {
                var result = await work();
                _ = losesReply ? reply.TrySetException(new ConnectionBrokenException()) : reply.TrySetResult(result);
            }
            catch (Exception failure)
            {
                reply.TrySetException(failure);
            }
        }
    }
}

/// <summary>The client cannot know what became of its request.</summary>
internal sealed class ConnectionBrokenException() : Exception("simulated");
