using System.Runtime.CompilerServices;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Follows a job's events through outages of Postgres: a reader that is kept waiting need not come back.</summary>
internal sealed class JobEventTail(JobEventReader events, IStorageWatch storage, TimeProvider clock, ILogger<JobEventTail> logger)
{
    private static readonly TimeSpan OutagePause = TimeSpan.FromMilliseconds(500);

    /// <summary>Yields every event after <paramref name="after"/>, each once and in order, and ends after <c>final</c>.</summary>
    public async IAsyncEnumerable<JobEventRecord> FollowAsync(
        Guid tenantId,
        Guid jobId,
        int after,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        while (true)
        {
            await using var reader = events.WatchAsync(tenantId, jobId, after, cancellationToken).GetAsyncEnumerator(cancellationToken);
            while (true)
            {
                try
                {
                    if (!await reader.MoveNextAsync())
                    {
                        yield break;
                    }
                }
                catch (Exception outage) when (storage.Report(outage))
                {
                    break;
                }
                catch (Exception failure) when (failure is not OperationCanceledException)
                {
                    // Logged here, because both kinds of readers have begun to answer and can only hang up.
                    logger.StreamFailed(failure, jobId, after);
                    throw;
                }

                after = reader.Current.Seq;
                yield return reader.Current;
            }

            await OutlastAsync(cancellationToken);
        }
    }

    /// <summary>Waits for a job's end. The caller has checked that the job exists.</summary>
    public async Task<Job> WaitForEndAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await events.WaitForEndAsync(tenantId, jobId, cancellationToken);
            }
            catch (Exception outage) when (storage.Report(outage))
            {
                await OutlastAsync(cancellationToken);
            }
        }
    }

    private async Task OutlastAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(OutagePause, clock, cancellationToken);
        await storage.WaitUntilBackAsync(cancellationToken);
    }
}
