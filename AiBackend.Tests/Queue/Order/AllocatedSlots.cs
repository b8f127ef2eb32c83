using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

/// <summary>Slots in virtual time that interactive jobs and more batch work than fits share as the allocation says.</summary>
/// <param name="count">Slots.</param>
/// <param name="goal">Seconds that interactive jobs should wait at most.</param>
internal sealed class AllocatedSlots(int count, double goal)
{
    private readonly FairLine _line = Line.New();
    private readonly AdaptiveAllocation _allocation = new(TimeSpan.FromSeconds(goal));
    private readonly List<(WaitingJob Job, double At)> _waiting = [];
    private readonly List<(JobPriority Level, double Until)> _running = [];

    /// <summary>When each interactive job began, and how long it had waited.</summary>
    public List<(double At, double Wait)> Waits { get; } = [];

    /// <summary>How many batch jobs ran.</summary>
    public List<(double At, int Count)> Batch { get; } = [];

    /// <summary>What was allocated, second by second.</summary>
    public List<(double Batch, double Usual)> Shares { get; } = [];

    /// <summary>Lets everything happen until the end.</summary>
    /// <param name="random">Decides when interactive jobs come.</param>
    /// <param name="end">In seconds.</param>
    /// <param name="perSecond">Interactive jobs that come, at a moment.</param>
    /// <param name="runOf">Seconds that a job runs which begins at a moment.</param>
    public void Play(Random random, double end, Func<double, double> perSecond, Func<JobPriority, double, AdaptiveAllocation, double> runOf)
    {
        var (next, observed) = (0.0, 0.0);
        for (var now = 0.0; now < end; now += 0.05)
        {
            while (next <= now)
            {
                _waiting.Add((Line.Job(level: JobPriority.Interactive), next));
                next -= Math.Log(1 - random.NextDouble()) / perSecond(next);
            }

            while (_waiting.Count(each => each.Job.Level == JobPriority.Batch) < count)
            {
                _waiting.Add((Line.Job(level: JobPriority.Batch), now));
            }

            _running.RemoveAll(job => job.Until <= now);
            if (now >= observed)
            {
                Observe(now);
                observed++;
            }

            Begin(now, runOf);
            Batch.Add((now, _running.Count(job => job.Level == JobPriority.Batch)));
        }
    }

    private void Observe(double now)
    {
        var urgent = _waiting.Where(each => each.Job.Level == JobPriority.Interactive).Select(each => now - each.At).ToList();
        var wait = TimeSpan.FromSeconds(urgent.DefaultIfEmpty(0).Max());
        var jobs = urgent.Count + _running.Count(job => job.Level == JobPriority.Interactive);
        _allocation.Observe(TimeSpan.FromSeconds(now), new(wait, jobs), count);
        Shares.Add((_allocation.BatchShare, _allocation.UsualShare));
    }

    private void Begin(double now, Func<JobPriority, double, AdaptiveAllocation, double> runOf)
    {
        var capacity = new Capacity
        {
            Running = [.. _running.GroupBy(job => job.Level).Select(level => new RunningJobs(level.Key, 10, 10, level.Count()))],
            MostBatch = _allocation.MostBatchOf(count),
            LeastBatch = SlotShares.LeastBatch(count),
        };
        foreach (var job in _line.Pick([.. _waiting.Select(each => each.Job)], capacity, count - _running.Count))
        {
            var at = _waiting.Find(each => each.Job.Id == job.Id).At;
            _waiting.RemoveAll(each => each.Job.Id == job.Id);
            if (job.Level == JobPriority.Interactive)
            {
                Waits.Add((now, now - at));
            }

            _running.Add((job.Level, now + runOf(job.Level, now, _allocation)));
        }
    }
}
