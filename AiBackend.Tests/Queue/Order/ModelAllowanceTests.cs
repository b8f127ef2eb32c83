using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;

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
        var usual = run.Shares.ConvertAll(share => share.Usual);
        output.WriteLine(string.Join(' ', usual.Where((_, index) => index % 10 == 0).Select(share => $"{share:0.00}")));

        var waits = run.Waits.Where(wait => wait.At > StepAt + 30).Select(wait => wait.Wait).Order().ToList();
        Assert.True(waits[(int)(waits.Count * 0.95)] <= Goal, $"p95 is {waits[(int)(waits.Count * 0.95)]:0.00} s");
        Assert.Equal(1, usual[(int)StepAt]);
        Assert.Equal(0, usual[(int)StepAt + 30]);
        // Down once, and up to where the slots hold it: then it rests.
        var under = usual[(int)StepAt..(int)BackAt];
        Assert.True(Falls(under) <= 2, $"{Falls(under)} falls under a load that is always the same");
        Assert.True(usual[^1] >= 1, $"{usual[^1]} five minutes after the load was small again");
        Assert.Equal(0, Falls(usual[(int)BackAt..]));
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

    private static AllocatedSlots Play(Random random)
    {
        var slots = new AllocatedSlots(Slots, Goal);
        slots.Play(random, End, now => now is > StepAt and < BackAt ? 20 : 4, RunOf);
        return slots;

        double RunOf(JobPriority level, double now, AdaptiveAllocation allocation) =>
            level != JobPriority.Interactive ? (3 * random.NextDouble()) + 1.5
            : random.NextDouble() < allocation.UsualShare ? 1
            : 0.3;
    }
}
