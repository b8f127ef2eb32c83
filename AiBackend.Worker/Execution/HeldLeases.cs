using System.Collections.Concurrent;
using AiBackend.Core.Jobs;

namespace AiBackend.Worker.Execution;

/// <summary>The jobs this worker runs now, and when each lease was last known to be good by the local monotonic clock.</summary>
internal sealed class HeldLeases(TimeProvider clock)
{
    private readonly ConcurrentDictionary<Guid, HeldLease> _held = new();

    public int Count => _held.Count;

    /// <param name="job">The job.</param>
    /// <param name="confirmedAt">A timestamp from before the claim was sent: the lease cannot be older.</param>
    public void Add(RunningJob job, long confirmedAt) => _held[job.Job.Lease.JobId] = new HeldLease(job, confirmedAt);

    public void Remove(RunningJob job)
    {
        if (_held.TryGetValue(job.Job.Lease.JobId, out var held) && held.Job == job)
        {
            _held.TryRemove(KeyValuePair.Create(job.Job.Lease.JobId, held));
        }
    }

    public IReadOnlyList<HeldLease> Snapshot() => [.. _held.Values];

    /// <summary>Stops a job that a caller has cancelled.</summary>
    public void Cancel(Guid jobId)
    {
        if (_held.TryGetValue(jobId, out var held))
        {
            held.Job.RequestCancel();
        }
    }

    /// <summary>Stops the jobs whose lease has not been confirmed for <paramref name="usable"/>: another worker may soon take them.</summary>
    /// <returns>How many.</returns>
    public int LoseUnconfirmed(TimeSpan usable)
    {
        var lost = 0;
        foreach (var held in _held.Values)
        {
            if (!held.Job.IsLost && clock.GetElapsedTime(held.ConfirmedAt) >= usable)
            {
                held.Job.Lose();
                lost++;
            }
        }

        return lost;
    }
}

/// <summary>One running job and its lease.</summary>
internal sealed class HeldLease(RunningJob job, long confirmedAt)
{
    private long _confirmedAt = confirmedAt;

    public RunningJob Job { get; } = job;

    public long ConfirmedAt
    {
        get => Interlocked.Read(ref _confirmedAt);
        set => Interlocked.Exchange(ref _confirmedAt, value);
    }
}
