using System.Runtime.CompilerServices;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Core.Events;

/// <summary>Follows a job's event log from any number to its end, each event exactly once and in order.</summary>
public sealed class JobEventReader(JobEventFeed feed, IJobEventLog log, EndedJobs ended)
{
    private const int PageSize = 500;

    /// <summary>Yields every event after <paramref name="after"/> and ends after <c>final</c>.</summary>
    /// <remarks>
    /// Subscribes first, then reads the log, then applies notifications; a gap in the numbers sends it back to the log. So
    /// nothing is missed between the two, and nothing is seen before its commit. The caller has checked that the job exists.
    /// </remarks>
    public async IAsyncEnumerable<JobEventRecord> WatchAsync(
        Guid tenantId,
        Guid jobId,
        int after,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        using var subscription = feed.Subscribe(jobId);
        if (after > 0 && await log.HasEndedByAsync(tenantId, jobId, after, cancellationToken))
        {
            yield break;
        }

        var behind = true;
        while (true)
        {
            while (behind)
            {
                var page = await log.ReadAsync(tenantId, jobId, after, PageSize, cancellationToken);
                behind = page.IsFull;
                foreach (var record in page.Events)
                {
                    after = record.Seq;
                    yield return await RenderAsync(tenantId, record, subscription.Final, cancellationToken);
                    if (record.Kind == JobEventKind.Final)
                    {
                        yield break;
                    }
                }
            }

            var next = await subscription.Events.ReadAsync(cancellationToken);
            if (next.Seq <= after)
            {
                continue;
            }

            if (next.Seq > after + 1 || next.Kind == default)
            {
                behind = true;
                continue;
            }

            after = next.Seq;
            yield return await RenderAsync(tenantId, next, subscription.Final, cancellationToken);
            if (next.Kind == JobEventKind.Final)
            {
                yield break;
            }
        }
    }

    /// <summary>Waits for a job's end. The caller has checked that the job exists.</summary>
    /// <remarks>Subscribes first, then looks, then looks again with the last event: a lost one is said again by the feed.</remarks>
    public async Task<Job> WaitForEndAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        using var subscription = feed.Subscribe(jobId);
        while (true)
        {
            if (await ended.FindAsync(tenantId, jobId, cancellationToken) is { } job)
            {
                return job;
            }

            JobEventRecord next;
            do
            {
                next = await subscription.Events.ReadAsync(cancellationToken);
            } while (next.Kind != JobEventKind.Final);
        }
    }

    /// <returns>One page of the log, as stored so far.</returns>
    public async Task<IReadOnlyList<JobEventRecord>> ReadPageAsync(
        Guid tenantId,
        Guid jobId,
        int after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        var page = await log.ReadAsync(tenantId, jobId, after, limit, cancellationToken);
        var rendered = new List<JobEventRecord>(page.Events.Count);
        foreach (var record in page.Events)
        {
            rendered.Add(await RenderAsync(tenantId, record, new SharedFinal(), cancellationToken));
        }

        return rendered;
    }

    private async ValueTask<JobEventRecord> RenderAsync(
        Guid tenantId,
        JobEventRecord record,
        SharedFinal final,
        CancellationToken cancellationToken
    ) =>
        record.Kind == JobEventKind.Final
            ? record with
            {
                Data = await final.GetAsync(() => ReadFinalAsync(tenantId, record.JobId), cancellationToken),
            }
            : record;

    // Without a token: other readers wait for it too, and the statement has a time limit.
    private async Task<byte[]> ReadFinalAsync(Guid tenantId, Guid jobId)
    {
        var job =
            await ended.FindAsync(tenantId, jobId, CancellationToken.None)
            ?? throw new InvalidOperationException($"Job {jobId} has a final event but no row.");
        return JsonSerializer.SerializeToUtf8Bytes(new FinalEvent(job), WireJson.Default.FinalEvent);
    }
}
