using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;

namespace AiBackend.Core.Jobs;

/// <summary>Reads ended jobs for those who wait for them: whatever is asked for while one statement runs is read by the next.</summary>
/// <remarks>Jobs end by the handful, with one commit of their worker, and each has somebody waiting: alone they would queue for connections.</remarks>
public sealed class EndedJobs : IAsyncDisposable
{
    private const int MaxWaiting = 100_000;

    // Few, because an output may be large.
    private const int MaxBatch = 16;

    private readonly IJobStore _store;
    private readonly CommitLoop<Wanted> _loop;

    /// <summary>Starts the loop that reads.</summary>
    public EndedJobs(IJobStore store)
    {
        _store = store;
        _loop = new CommitLoop<Wanted>(MaxWaiting, MaxBatch, ReadAsync);
    }

    /// <returns>The job with its output; null while it has not ended, or when the tenant has none with this id.</returns>
    public Task<Job?> FindAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        var wanted = new Wanted((tenantId, jobId), cancellationToken);
        if (!_loop.TryAdd(wanted))
        {
            // Too many wait, or the process stops: alone is slower, and as true.
            _ = ReadAsync([wanted]);
        }

        return wanted.Job.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task ReadAsync(IReadOnlyList<Wanted> batch)
    {
        var asked = batch.Where(wanted => !wanted.HasLeft).ToList();
        if (asked.Count == 0)
        {
            return;
        }

        try
        {
            var found = await _store.FindEndedAsync([.. asked.Select(wanted => wanted.Key).Distinct()], default);
            foreach (var wanted in asked)
            {
                wanted.Job.TrySetResult(found.GetValueOrDefault(wanted.Key));
            }
        }
        catch (Exception failure) when (asked.Count > 1 && StorageFailures.Of(failure) is null)
        {
            // One that cannot be read must not take its neighbours with it. Trouble of the storage takes all of them, at once.
            foreach (var wanted in asked)
            {
                await ReadAsync([wanted]);
            }
        }
        catch (Exception failure)
        {
            foreach (var wanted in asked)
            {
                wanted.Fail(failure);
            }
        }
    }

    /// <param name="Key">With the tenant: another's job is never an answer, though it may be read by the same statement.</param>
    /// <param name="Left">Says that nobody waits for the answer any more.</param>
    private sealed record Wanted((Guid TenantId, Guid JobId) Key, CancellationToken Left)
    {
        public bool HasLeft => Left.IsCancellationRequested;

        public TaskCompletionSource<Job?> Job { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Fail(Exception failure)
        {
            Job.TrySetException(failure);
            // Looked at here, because whoever asked may have left.
            _ = Job.Task.Exception;
        }
    }
}
