using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

/// <summary>
/// Twenty slots in virtual time, always more batch work of 20 s than fits, and interactive jobs of 2 s whose load becomes five times as
/// large after two minutes and small again after seven.
/// </summary>
public sealed class BatchAllowanceTests(ITestOutputHelper output)
{
    private const int Slots = 20;
    private const double Goal = 2;
    private const double StepAt = 120;
    private const double BackAt = 420;
    private const double End = 720;
    private const double InteractiveRun = 2;
    private const double BatchRun = 20;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void After_a_five_fold_step_interactive_jobs_are_in_time_again_within_30_s_and_batch_keeps_a_tenth(int seed)
    {
        var run = Play(new Random(seed));
        output.WriteLine(string.Join(' ', run.Shares.Where((_, index) => index % 10 == 0).Select(share => $"{share:0.00}")));

        // The window that begins 30 s after the step, and every one after it, until the load is small again.
        var waits = run.Waits.Where(wait => wait.At > StepAt + 30 && wait.At < BackAt).Select(wait => wait.Wait).Order().ToList();
        Assert.True(waits[(int)(waits.Count * 0.95)] <= Goal, $"p95 is {waits[(int)(waits.Count * 0.95)]:0.00} s");
        Assert.All(
            run.Batch.Where(sample => sample.At > 30),
            sample => Assert.True(sample.Count >= Math.Ceiling(Slots / 10.0), $"{sample}")
        );
        // Under the load it rests, and afterwards it goes up again to what the small load leaves over.
        var under = run.Shares.Skip((int)StepAt + 60).Take((int)(BackAt - StepAt) - 60).ToList();
        Assert.True(Turns(under) <= 3, $"{Turns(under)} turns");
        Assert.True(run.Shares[^1] >= 2 * under.Average(), $"{run.Shares[^1]} after {under.Average()}");
        Assert.True(Turns(run.Shares[^200..]) <= 3, $"{Turns(run.Shares[^200..])} turns");
    }

    private static int Turns(List<double> shares)
    {
        var (turns, direction) = (0, 0);
        foreach (var (before, after) in shares.Zip(shares.Skip(1)))
        {
            var sign = Math.Sign(after - before);
            if (sign != 0 && sign != direction)
            {
                (turns, direction) = (turns + 1, sign);
            }
        }

        return turns;
    }

    private static Played Play(Random random)
    {
        var (line, allowance, played) = (Line.New(), new AdaptiveAllocation(TimeSpan.FromSeconds(Goal)), new Played([], [], []));
        var waiting = new List<(WaitingJob Job, double At)>();
        var running = new List<(JobPriority Level, double Until)>();
        var (next, observed) = (0.0, 0.0);
        for (var now = 0.0; now < End; now += 0.05)
        {
            while (next <= now)
            {
                waiting.Add((Line.Job(level: JobPriority.Interactive), next));
                // A tenth of the slots, and half of them.
                var slots = next is > StepAt and < BackAt ? 0.5 : 0.1;
                next -= Math.Log(1 - random.NextDouble()) / (slots * Slots / InteractiveRun);
            }

            while (waiting.Count(each => each.Job.Level == JobPriority.Batch) < Slots)
            {
                waiting.Add((Line.Job(level: JobPriority.Batch), now));
            }

            running.RemoveAll(job => job.Until <= now);
            if (now >= observed)
            {
                var urgent = waiting.Where(each => each.Job.Level == JobPriority.Interactive).Select(each => now - each.At).ToList();
                var wait = TimeSpan.FromSeconds(urgent.DefaultIfEmpty(0).Max());
                var jobs = urgent.Count + running.Count(job => job.Level == JobPriority.Interactive);
                allowance.Observe(TimeSpan.FromSeconds(now), new(wait, jobs), Slots);
                played.Shares.Add(allowance.BatchShare);
                observed++;
            }

            var capacity = new Capacity
            {
                Running = [.. running.GroupBy(job => job.Level).Select(level => new RunningJobs(level.Key, 10, 10, level.Count()))],
                MostBatch = allowance.MostBatchOf(Slots),
                LeastBatch = SlotShares.LeastBatch(Slots),
            };
            foreach (var job in line.Pick([.. waiting.Select(each => each.Job)], capacity, Slots - running.Count))
            {
                var at = waiting.Find(each => each.Job.Id == job.Id).At;
                waiting.RemoveAll(each => each.Job.Id == job.Id);
                if (job.Level == JobPriority.Interactive)
                {
                    played.Waits.Add((now, now - at));
                }

                // Begun at different times, as in any system that has run for a while.
                var run = job.Level == JobPriority.Interactive ? InteractiveRun : BatchRun * (now == 0 ? random.NextDouble() : 1);
                running.Add((job.Level, now + run));
            }

            played.Batch.Add((now, running.Count(job => job.Level == JobPriority.Batch)));
        }

        return played;
    }

    private sealed record Played(List<(double At, double Wait)> Waits, List<(double At, int Count)> Batch, List<double> Shares);
}
