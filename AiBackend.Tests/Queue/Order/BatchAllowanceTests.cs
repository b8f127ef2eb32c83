using AiBackend.Core.Jobs;

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
        var shares = run.Shares.ConvertAll(share => share.Batch);
        output.WriteLine(string.Join(' ', shares.Where((_, index) => index % 10 == 0).Select(share => $"{share:0.00}")));

        // The window that begins 30 s after the step, and every one after it, until the load is small again.
        var waits = run.Waits.Where(wait => wait.At > StepAt + 30 && wait.At < BackAt).Select(wait => wait.Wait).Order().ToList();
        Assert.True(waits[(int)(waits.Count * 0.95)] <= Goal, $"p95 is {waits[(int)(waits.Count * 0.95)]:0.00} s");
        Assert.All(
            run.Batch.Where(sample => sample.At > 30),
            sample => Assert.True(sample.Count >= Math.Ceiling(Slots / 10.0), $"{sample}")
        );
        // Under the load it rests, and afterwards it goes up again to what the small load leaves over.
        var under = shares.Skip((int)StepAt + 60).Take((int)(BackAt - StepAt) - 60).ToList();
        Assert.True(Turns(under) <= 3, $"{Turns(under)} turns");
        Assert.True(shares[^1] >= 2 * under.Average(), $"{shares[^1]} after {under.Average()}");
        Assert.True(Turns(shares[^200..]) <= 3, $"{Turns(shares[^200..])} turns");
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

    private static AllocatedSlots Play(Random random)
    {
        var slots = new AllocatedSlots(Slots, Goal);
        slots.Play(
            random,
            End,
            // A tenth of the slots, and half of them.
            now => (now is > StepAt and < BackAt ? 0.5 : 0.1) * Slots / InteractiveRun,
            // Begun at different times, as in any system that has run for a while.
            (level, now, _) => level == JobPriority.Interactive ? InteractiveRun : BatchRun * (now == 0 ? random.NextDouble() : 1)
        );
        return slots;
    }
}
