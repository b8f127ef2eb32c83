namespace AiBackend.Core.Queue;

/// <summary>Removes entries of the ready stream that hold no slot any more: of workers that died, and of replies that were lost.</summary>
/// <remarks>
/// Only Postgres knows whether a job still runs. By age alone the entries of long jobs would go too, their slots would seem free, and
/// the order of what waits would be decided a whole generation early.
/// </remarks>
public sealed class DropStaleEntries(IReadyQueue queue, IQueuedJobs jobs)
{
    /// <summary>Removes those that were read so long ago. One too many is harmless: the claim decides, and the dispatcher offers again.</summary>
    public async Task RunAsync(TimeSpan idle, CancellationToken cancellationToken)
    {
        var stale = await queue.FindStaleAsync(idle);
        if (stale.Count > 0)
        {
            var holders = await jobs.FindHoldersAsync([.. stale.Select(found => found.Entry.JobId)], cancellationToken);
            var over = stale.Where(found => holders.GetValueOrDefault(found.Entry.JobId) != found.Consumer);
            await queue.AcknowledgeAsync([.. over.Select(found => found.Entry.EntryId)]);
        }

        await queue.DropOrphansAsync();
    }
}
