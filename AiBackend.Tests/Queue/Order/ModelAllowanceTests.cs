using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

/// <summary>
/// Sixteen slots in virtual time, more batch work of 3 s than fits, and interactive jobs that leave their model to us: one that takes 1 s,
/// or a faster one that takes 0.3 s. After a minute they become five times as many, more than all slots hold with the usual model.
/// </summary>
public sealed class ModelAllowanceTests(ITestOutputHelper output)
{
    private const int Slots = 16;
    private const double Goal = 2;
    private const double StepAt = 60;
    private const double BackAt = 660;
    private const double End = 960;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void After_a_five_fold_step_jobs_are_moved_and_in_time_and_move_back_when_it_is_over_without_going_to_and_fro(int seed)
    {
        var run = Play(new Random(seed));
        output.WriteLine(string.Join(' ', run.Usual.Where((_, index) => index % 10 == 0).Select(share => $"{share:0.00}")));

        var waits = run.Waits.Where(wait => wait.At > StepAt + 30).Select(wait => wait.Wait).Order().ToList();
        Assert.True(waits[(int)(waits.Count * 0.95)] <= Goal, $"p95 is {waits[(int)(waits.Count * 0.95)]:0.00} s");
        Assert.Equal(1, run.Usual[(int)StepAt]);
        Assert.Equal(0, run.Usual[(int)StepAt + 30]);
        // Down once, and up to where the slots hold it: then it rests.
        var under = run.Usual[(int)StepAt..(int)BackAt];
        Assert.True(Falls(under) <= 2, $"{Falls(under)} falls under a load that is always the same");
        Assert.True(run.Usual[^1] >= 1, $"{run.Usual[^1]} five minutes after the load was small again");
        Assert.Equal(0, Falls(run.Usual[(int)BackAt..]));
        Assert.All(
            run.Batch.Where(sample => sample.At > 30),
            sample => Assert.True(sample.Count >= Math.Ceiling(Slots / 10.0), $"{sample}")
        );
    }

    [Fact]
    public void A_job_is_moved_or_not_by_its_own_chance_and_one_that_was_not_stays_when_fewer_are()
    {
        var ids = Enumerable.Range(0, 10_000).Select(_ => Guid.CreateVersion7()).ToList();

        Assert.DoesNotContain(ids, id => ModelChoice.IsMoved(id, usualShare: 1));
        Assert.All(ids, id => Assert.True(ModelChoice.IsMoved(id, usualShare: 0)));
        Assert.InRange(ids.Count(id => ModelChoice.IsMoved(id, usualShare: 0.3)), 6_700, 7_300);
        Assert.DoesNotContain(ids, id => ModelChoice.IsMoved(id, usualShare: 0.6) && !ModelChoice.IsMoved(id, usualShare: 0.5));
    }

    private static int Falls(List<double> shares) => shares.Zip(shares.Skip(1)).Count(pair => pair.Second < pair.First);

    private static Played Play(Random random)
    {
        var (line, allocation, played) = (Line.New(), new AdaptiveAllocation(TimeSpan.FromSeconds(Goal)), new Played([], [], []));
        var waiting = new List<(WaitingJob Job, double At)>();
        var running = new List<(JobPriority Level, double Until)>();
        var (next, observed) = (0.0, 0.0);
        for (var now = 0.0; now < End; now += 0.05)
        {
            while (next <= now)
            {
                waiting.Add((Line.Job(level: JobPriority.Interactive), next));
                next -= Math.Log(1 - random.NextDouble()) / (next is > StepAt and < BackAt ? 20 : 4);
            }

            while (waiting.Count(each => each.Job.Level == JobPriority.Batch) < Slots)
            {
                waiting.Add((Line.Job(level: JobPriority.Batch), now));
            }

            running.RemoveAll(job => job.Until <= now);
            if (now >= observed)
            {
                var urgent = waiting.Where(each => each.Job.Level == JobPriority.Interactive).Select(each => now - each.At).ToList();
                var jobs = urgent.Count + running.Count(job => job.Level == JobPriority.Interactive);
                allocation.Observe(TimeSpan.FromSeconds(now), new(TimeSpan.FromSeconds(urgent.DefaultIfEmpty(0).Max()), jobs), Slots);
                played.Usual.Add(allocation.UsualShare);
                observed++;
            }

            var capacity = new Capacity
            {
                Running = [.. running.GroupBy(job => job.Level).Select(level => new RunningJobs(level.Key, 10, 10, level.Count()))],
                MostBatch = allocation.MostBatchOf(Slots),
                LeastBatch = SlotShares.LeastBatch(Slots),
            };
            foreach (var job in line.Pick([.. waiting.Select(each => each.Job)], capacity, Slots - running.Count))
            {
                var at = waiting.Find(each => each.Job.Id == job.Id).At;
                waiting.RemoveAll(each => each.Job.Id == job.Id);
                if (job.Level == JobPriority.Interactive)
                {
                    played.Waits.Add((now, now - at));
                    running.Add((job.Level, now + (random.NextDouble() < allocation.UsualShare ? 1 : 0.3)));
                }
                else
                {
                    running.Add((job.Level, now + (3 * random.NextDouble()) + 1.5));
                }
            }

            played.Batch.Add((now, running.Count(job => job.Level == JobPriority.Batch)));
        }

        return played;
    }

    private sealed record Played(List<(double At, double Wait)> Waits, List<(double At, int Count)> Batch, List<double> Usual);
}
