using AiBackend.Core.Queue.Order;

namespace AiBackend.Core.Queue;

/// <summary>Jobs that were offered a moment ago: read by a worker but perhaps not yet claimed, so that another offer would only be a duplicate.</summary>
internal sealed class RecentOffers(TimeSpan offerAgainAfter, TimeProvider clock)
{
    private readonly Dictionary<Guid, (long At, WaitingJob Job)> _offered = [];

    /// <summary>They need a slot, or hold one that nobody has seen yet.</summary>
    public IEnumerable<RunningJobs> Running =>
        _offered.Values.Select(offer => new RunningJobs(offer.Job.Level, offer.Job.Length, offer.Job.Length, 1, offer.Job.TenantId));

    public IReadOnlyCollection<Guid> Ids => _offered.Keys;

    public bool Contains(Guid jobId) => _offered.ContainsKey(jobId);

    public Dictionary<JobKind, int> CountByKind() => _offered.Values.CountBy(offer => JobKind.Of(offer.Job)).ToDictionary();

    /// <summary>Those it knows are as old as they were.</summary>
    public void Add(IEnumerable<WaitingJob> jobs)
    {
        var now = clock.GetTimestamp();
        foreach (var job in jobs)
        {
            _offered.TryAdd(job.Id, (now, job));
        }
    }

    /// <summary>Whoever was to take them did not.</summary>
    public void ForgetOld() => Forget(offer => clock.GetElapsedTime(offer.At) >= offerAgainAfter);

    /// <summary>Claimed since: remembered, they would count as jobs that hold a slot, beside the one they hold or held.</summary>
    /// <param name="heads">What a look at everything that waits has shown.</param>
    public void ForgetClaimed(LineHeads heads)
    {
        var kinds = heads.Kinds.ToHashSet();
        var stillQueued = heads.Jobs.Select(job => job.Id).ToHashSet();
        Forget(offer => IsSeen(JobKind.Of(offer.Job)) && !stillQueued.Contains(offer.Job.Id));

        // A kind that is not there has no job left, unless there are too many kinds to see.
        bool IsSeen(JobKind kind) => kinds.Contains(kind) || heads.Last.All(last => last.Level != kind.Level);
    }

    private void Forget(Func<(long At, WaitingJob Job), bool> isOver)
    {
        foreach (var (id, offer) in _offered)
        {
            if (isOver(offer))
            {
                _offered.Remove(id);
            }
        }
    }
}
