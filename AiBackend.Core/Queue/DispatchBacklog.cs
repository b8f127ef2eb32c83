using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>Feeds the ready stream from Postgres, in order: the backlog that did not fit, and whatever Redis has lost.</summary>
/// <remarks>
/// Dispatcher and sweeper are one mechanism: both offer queued jobs that the stream does not hold. Run by one leader;
/// harmless if two run, because a job offered twice is claimed once.
/// </remarks>
public sealed class DispatchBacklog(
    IQueuedJobs jobs,
    IReadyQueue queue,
    IOptions<QueueOptions> options,
    TimeProvider clock,
    ILogger<DispatchBacklog> logger
)
{
    // Read by a worker but perhaps not yet claimed: offering these again at once would only make duplicates.
    private readonly Dictionary<Guid, long> _offered = [];

    /// <returns>Whether more jobs wait than fitted, so that the next round should follow soon.</returns>
    /// <exception cref="StackExchange.Redis.RedisException">Redis is away; workers find jobs in Postgres by themselves.</exception>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        ForgetOldOffers();
        var waiting = await queue.ReadWaitingAsync();
        var room = queue.Limit - waiting.Count;
        if (room <= 0)
        {
            return false; // Full: what workers take makes room, and the next round is soon enough.
        }

        // Cleared before looking: a job that was refused the fast path until now is committed, so this look finds it.
        var backlog = await queue.ClearBacklogAsync();
        var limit = waiting.Count + _offered.Count + room + 1;
        var queued = await FindAsync(backlog, limit, cancellationToken);
        var fresh = queued.Where(id => !waiting.Contains(id) && !_offered.ContainsKey(id)).Take(room).ToList();
        var more = queued.Length == limit || fresh.Count == room;
        if (more)
        {
            await queue.NoteBacklogAsync();
        }

        // Claimed since: remembering them would only make the next look longer.
        var stillQueued = queued.ToHashSet();
        foreach (var id in _offered.Keys.Where(id => !stillQueued.Contains(id)).ToList())
        {
            _offered.Remove(id);
        }

        var taken = await queue.OfferOrderedAsync(fresh);
        var now = clock.GetTimestamp();
        foreach (var id in fresh.Take(taken))
        {
            _offered[id] = now;
        }

        if (!backlog && taken > 0)
        {
            logger.JobsOfferedAgain(taken);
        }

        return more;
    }

    private void ForgetOldOffers()
    {
        foreach (var (id, offeredAt) in _offered)
        {
            if (clock.GetElapsedTime(offeredAt) >= options.Value.OfferAgainAfter)
            {
                _offered.Remove(id);
            }
        }
    }

    private async Task<Guid[]> FindAsync(bool backlog, int limit, CancellationToken cancellationToken)
    {
        try
        {
            return await jobs.FindBacklogAsync(backlog, options.Value.OfferAgainAfter, limit, cancellationToken);
        }
        catch (NpgsqlException) when (backlog)
        {
            // The look did not happen, so the note must not be lost with it.
            await queue.NoteBacklogAsync();
            throw;
        }
    }
}
