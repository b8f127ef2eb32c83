#if FAULT_POINTS
using AiBackend.Core.Faults;
using AiBackend.Tests.Api;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Faults;

/// <summary>The language of <c>AIBACKEND_FAULT</c>: a plan that cannot do what it says is refused before anything runs.</summary>
public sealed class FaultPlanTests
{
    [Fact]
    public void A_plan_names_points_actions_times_hits_and_subjects()
    {
        var plan = FaultPlan.TryParse("K9:kill@2;K12:stall=40s; K10:stop;K7[sim-x]:fail;K4:kill=300ms@3;K18:grow", out var problem);

        Assert.Null(problem);
        Assert.Equal(
            [
                new(FaultPoint.K9, null, FaultAction.Kill, TimeSpan.Zero, 2),
                new(FaultPoint.K12, null, FaultAction.Stall, TimeSpan.FromSeconds(40), 1),
                new(FaultPoint.K10, null, FaultAction.Stop, TimeSpan.Zero, 1),
                new(FaultPoint.K7, "sim-x", FaultAction.Fail, TimeSpan.Zero, 1),
                new(FaultPoint.K4, null, FaultAction.Kill, TimeSpan.FromMilliseconds(300), 3),
                new(FaultPoint.K18, null, FaultAction.Grow, TimeSpan.Zero, 1),
            ],
            plan
        );
    }

    [Theory]
    [InlineData("K9", "K9:kill@2")]
    [InlineData("K9:explode", "K9:kill@2")]
    [InlineData("K12:stall", "stall needs a time")]
    [InlineData("K9:kill@0", "K9:kill@2")]
    [InlineData("K99:kill", "The points are K1, K2")]
    [InlineData("K0:kill", "The points are K1, K2")]
    [InlineData("", "names no fault")]
    [InlineData("K1:kill;K19:kill", "webhooks")]
    [InlineData("K19:kill", "webhooks")]
    public void A_wrong_plan_is_refused_with_the_remedy(string text, string remedy)
    {
        Assert.Null(FaultPlan.TryParse(text, out var problem));

        Assert.Contains("AIBACKEND_FAULT", problem, StringComparison.Ordinal);
        Assert.Contains(remedy, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_process_with_a_wrong_plan_does_not_start_and_says_why()
    {
        var failure = Assert.Throws<OptionsValidationException>(() =>
            ApiServer.Create([
                ("ConnectionStrings:aibackend", "Host=127.0.0.1;Port=1"),
                ("ConnectionStrings:redis", "127.0.0.1:1"),
                ("AIBACKEND_FAULT", "K19:kill"),
            ])
        );

        Assert.Contains("AIBACKEND_FAULT names K19", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_hit_that_was_named_is_due_and_only_of_its_subject()
    {
        var entry = Assert.Single(FaultPlan.TryParse("K10[sim-x]:kill@2", out _)!);

        bool[] due =
        [
            entry.IsDue(FaultPoint.K10, "sim-x"),
            entry.IsDue(FaultPoint.K10, "sim-y"),
            entry.IsDue(FaultPoint.K11, "sim-x"),
            entry.IsDue(FaultPoint.K10, "sim-x"),
            entry.IsDue(FaultPoint.K10, "sim-x"),
        ];

        Assert.Equal([false, false, false, true, false], due);
    }
}
#endif
