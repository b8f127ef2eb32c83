using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;
using AiBackend.Core.Queue.Outlook;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Queue;

/// <summary>Feeds the ready stream from Postgres, in fair order: the backlog that did not fit, and whatever Redis has lost.</summary>
/// <remarks>
/// Dispatcher and sweeper are one mechanism: both offer queued jobs that the stream does not hold. Run by one leader;
/// harmless if two run, because a job offered twice is claimed once.
/// </remarks>
public sealed class DispatchBacklog(
    IQueuedJobs jobs,
    IReadyQueue queue,
    QueueTiers tiers,
    RecentLoads loads,
    LineFlow flow,
    AllocationWatch allocation,
    IOptions<QueueOptions> options,
    TimeProvider clock,
    ILogger<DispatchBacklog> logger
)
{
    private static readonly TimeSpan SlotsInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);

    private readonly RecentOffers _offers = new(options.Value.OfferAgainAfter, clock);
    private readonly SlotCredits _credits = new(flow, clock);
    private readonly FairLine _line = new(options.Value.AgeUpAfter, tiers.WeightOf);
    private IReadOnlyDictionary<string, int> _slots = new Dictionary<string, int>(StringComparer.Ordinal);
    private IReadOnlyDictionary<Guid, int> _reserved = new Dictionary<Guid, int>();
    private long _slotsReadAt;
    private IReadOnlyCollection<JobKind> _after = [];
    private bool _nothingLeft;

    // Until a round has come to its end: the note may be lost with one that has not, and with the leader before.
    private bool _lookAtAll = true;
    private long _lastRoundAt;

    /// <returns>Whether more jobs wait than fitted, or may wait by now, so that the next round should follow soon.</returns>
    /// <exception cref="StackExchange.Redis.RedisException">Redis is away; workers find jobs in Postgres by themselves.</exception>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        NoticeOtherLeader();
        _offers.ForgetOld();
        await ReadSlotsAsync(cancellationToken);
        var ready = await queue.LookAsync(_reserved.Count > 0);
        var credits = _credits.InFlight(ready, _slots);
        var slots = _slots.Values.Sum();
        var split = LengthSplit.Of(loads.ByLength, slots);
        var reserved = Math.Min(_reserved.Values.Sum(), SlotShares.MostReserved(slots));
        var kept = Math.Max(reserved, Math.Max(split.Kept, slots - Math.Min(slots, allocation.MostBatchOf(slots))));
        // The slots that are kept free of some jobs are given by this line only: the way past it does not know them apart.
        var guided = queue.GuideAsync(credits - kept);
        var noting = queue.HasBacklogAsync();
        await guided;
        var noted = await noting;
        var free = (credits ?? int.MaxValue) - ready.InFlight;
        var room = Math.Min(queue.Limit - ready.Unread.Count, free);
        if (room <= 0)
        {
            flow.Note(slots, hasLine: true);
            _nothingLeft = false;
            return false; // Full: what workers take makes room, and the next round is soon enough.
        }

        var backlog = _lookAtAll || noted;
        var opens = backlog && _nothingLeft;
        if (opens)
        {
            // Opened only when a look has left nothing, or whoever comes during the look would overtake the line. And before the next look,
            // so that it finds whoever was refused until now: that is committed.
            _lookAtAll = true;
            await queue.ClearBacklogAsync();
        }

        var heads = await ReadHeadsAsync(ready, backlog, room, cancellationToken);
        // The one place where a queued job is passed over.
        var fresh = heads.Jobs.Where(job => !ready.Unread.Contains(job.Id) && !_offers.Contains(job.Id)).ToList();
        var capacity = await CapacityAsync(fresh, slots, free, split, cancellationToken);
        var next = fresh.Count == 0 ? [] : _line.Pick(fresh, capacity, room);
        var taken = await queue.OfferOrderedAsync([.. next.Select(job => job.Id)], credits);
        await KeepAsync(capacity, fresh, [.. next.Take(taken)], credits);
        var more = heads.HasMore || fresh.Count > taken;
        flow.Note(slots, hasLine: more);
        if (more)
        {
            await queue.NoteBacklogAsync();
        }

        (_nothingLeft, _lookAtAll) = (!more, false);
        _credits.Offered(ready.InFlight + taken);
        _offers.Add(next.Take(taken));
        if (!backlog && taken > 0)
        {
            logger.JobsOfferedAgain(taken);
        }

        return more ? taken > 0 : backlog && !opens;
    }

    /// <summary>Lets new jobs of tenants with slots of their own go straight to those that this round has left, past none of their own that wait.</summary>
    /// <remarks>Not of those that were refused during the round: until the next one they may be passed.</remarks>
    private async Task KeepAsync(Capacity capacity, IEnumerable<WaitingJob> waiting, HashSet<WaitingJob> taken, int? credits)
    {
        if (_reserved.Count == 0 || credits is null)
        {
            return;
        }

        var room = new Room(capacity);
        foreach (var job in taken)
        {
            room.Take(job);
        }

        var inLine = waiting.Where(job => !taken.Contains(job)).Select(job => job.TenantId).ToHashSet();
        await queue.KeepAsync(room.Kept(credits.Value, inLine));
    }

    /// <summary>What changes slowly: who can work, and how those wait for whom others make room.</summary>
    private async Task ReadSlotsAsync(CancellationToken cancellationToken)
    {
        if (_slotsReadAt == 0 || clock.GetElapsedTime(_slotsReadAt) >= SlotsInterval)
        {
            _slots = await jobs.ReadSlotsAsync(cancellationToken);
            _reserved = await jobs.ReadReservedAsync(cancellationToken);
            var demand = await jobs.ReadInteractiveDemandAsync(cancellationToken);
            allocation.Observe(demand, _slots.Values.Sum());
            _slotsReadAt = clock.GetTimestamp();
        }
    }

    /// <summary>Who holds slots, where it makes a difference to those who wait.</summary>
    private async Task<Capacity> CapacityAsync(
        List<WaitingJob> waiting,
        int slots,
        int free,
        LengthSplit split,
        CancellationToken cancellationToken
    )
    {
        var batch = waiting.Count(job => job.Level == JobPriority.Batch);
        var competes = batch > 0 && batch < waiting.Count;
        var bounded = batch > 0 && allocation.BatchShare < 1;
        if (slots == 0 || (!competes && !bounded && _reserved.Count == 0 && !waiting.Exists(job => job.Length >= split.LongFrom)))
        {
            return Capacity.Unknown;
        }

        var running = await jobs.ReadRunningAsync([.. _reserved.Keys], _offers.Ids, cancellationToken);
        return new Capacity
        {
            Running = [.. running, .. _offers.Running],
            LongFrom = split.LongFrom,
            MostLong = slots - split.Kept,
            MostBatch = allocation.MostBatchOf(slots),
            Free = free,
            Reserved = _reserved,
            MostReserved = SlotShares.MostReserved(slots),
            LeastBatch = competes ? SlotShares.LeastBatch(slots) : 0,
        };
    }

    /// <summary>There is a round every second: after a longer pause somebody else may have led.</summary>
    private void NoticeOtherLeader()
    {
        if (clock.GetElapsedTime(_lastRoundAt) > LongestPause)
        {
            (_lookAtAll, _nothingLeft) = (true, false);
        }

        _lastRoundAt = clock.GetTimestamp();
    }

    private async Task<LineHeads> ReadHeadsAsync(ReadyState ready, bool backlog, int room, CancellationToken cancellationToken)
    {
        var request = new HeadsRequest(backlog, options.Value.OfferAgainAfter, room + 1, _offers.CountByKind(), _after);
        var heads = await jobs.ReadHeadsAsync(request, cancellationToken);
        _after = heads.Last;
        if (backlog)
        {
            // Without one the young are not looked at.
            _offers.ForgetClaimed(heads);
        }

        // What went past the line is as offered: those jobs need a slot, or hold one that nobody has seen yet.
        _offers.Add(heads.Jobs.Where(job => ready.PastLine.Contains(job.Id)));
        return heads;
    }
}
