using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using Npgsql;

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
        var wanted = new Wanted((tenantId, jobId));
        return _loop.TryAdd(wanted)
            ? wanted.Job.Task.WaitAsync(cancellationToken)
            : throw new InvalidOperationException($"More than {MaxWaiting} wait for a job to be read, or the server stops.");
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    private async Task ReadAsync(IReadOnlyList<Wanted> batch)
    {
        try
        {
            var found = await _store.FindEndedAsync([.. batch.Select(wanted => wanted.Key).Distinct()], default);
            foreach (var wanted in batch)
            {
                wanted.Job.TrySetResult(found.GetValueOrDefault(wanted.Key));
            }
        }
        catch (Exception failure) when (batch.Count > 1 && (failure is PostgresException || !StorageFailures.MayCome(failure)))
        {
            // One that cannot be read must not take its neighbours with it. An outage takes all of them.
            foreach (var wanted in batch)
            {
                await ReadAsync([wanted]);
            }
        }
        catch (Exception failure)
        {
            foreach (var wanted in batch)
            {
                wanted.Job.TrySetException(failure);
            }
        }
    }

    /// <param name="Key">With the tenant: another's job is never an answer, though it may be read by the same statement.</param>
    private sealed record Wanted((Guid TenantId, Guid JobId) Key)
    {
        public TaskCompletionSource<Job?> Job { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
