using AiBackend.ApiContracts.Jobs;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Web;

public sealed class RunStepTests
{
    [Fact]
    public void A_waiting_run_has_been_accepted_and_has_the_rest_before_it() =>
        Assert.Equal(
            ["done Accepted", "wait Waiting", "todo Write", "todo Done"],
            Steps(new RunView { Job = Jobs.Some(JobStatuses.Queued) })
        );

    [Fact]
    public void A_run_in_its_second_try_shows_that_the_first_did_not_finish()
    {
        var job = Jobs.Some(JobStatuses.Processing) with { StartedAt = Jobs.CreatedAt.AddSeconds(1) };

        var steps = Steps(
            new RunView
            {
                Job = job,
                Status = JobStatuses.Processing,
                Attempt = 2,
                TextLength = 5,
            }
        );

        Assert.Equal(["done Accepted", "done Waited", "failed First try did not finish", "now Writing", "todo Done"], steps);
    }

    [Fact]
    public void A_run_that_waited_for_its_provider_and_goes_on_has_not_failed()
    {
        var fold = new RunFold();
        fold.Apply(new RunEvent(1, new StateEvent(JobStatuses.Processing, 1)));
        fold.Apply(new RunEvent(2, new StateEvent(JobStatuses.Retrying, 1, "rate_limit:openai/gpt:pace", Excused: true)));
        fold.Apply(new RunEvent(3, new StateEvent(JobStatuses.Processing, 2)));

        var steps = Steps(
            new RunView
            {
                Job = Jobs.Some(JobStatuses.Processing) with { StartedAt = Jobs.CreatedAt.AddSeconds(1) },
                Status = fold.Status,
                Attempt = fold.Attempt,
                Excused = fold.Excused,
                TextLength = 5,
            }
        );

        Assert.Equal(["done Accepted", "done Waited", "now Writing", "todo Done"], steps);
    }

    [Theory]
    [InlineData("rate_limit:openai/gpt:requests_per_minute", "Waiting for the model provider")]
    [InlineData("provider_down:openai", "Waiting for the model provider")]
    [InlineData("budget:tenant", "Waiting for the budget")]
    [InlineData("running_limit:key", "Waiting for another run to end")]
    [InlineData("steps", "Waiting for its steps")]
    [InlineData("conversation:0197", "Waiting for the answer before")]
    public void A_run_of_which_nobody_could_be_asked_yet_has_not_failed(string reason, string named)
    {
        var job = Jobs.Some(JobStatuses.Retrying) with { StartedAt = Jobs.CreatedAt.AddSeconds(1) };

        var steps = Steps(
            new RunView
            {
                Job = job,
                Status = JobStatuses.Retrying,
                Attempt = 1,
                WaitingReason = reason,
            }
        );

        Assert.Equal(["done Accepted", "done Waited", $"wait {named}", "todo Done"], steps);
    }

    [Theory]
    [InlineData(1, "failed Tried once")]
    [InlineData(5, "failed Tried 5 times")]
    public void A_failed_run_counts_its_tries_once(int attempts, string tried)
    {
        var job = Jobs.Some(JobStatuses.Failed) with
        {
            StartedAt = Jobs.CreatedAt.AddSeconds(1),
            FinishedAt = Jobs.CreatedAt.AddSeconds(5),
        };

        Assert.Equal(
            ["done Accepted", "done Waited", tried, "failed Failed"],
            Steps(
                new RunView
                {
                    Job = job,
                    Status = job.Status,
                    Attempt = attempts,
                }
            )
        );
    }

    [Fact]
    public void A_finished_run_says_how_long_each_part_took()
    {
        var job = Jobs.Some(JobStatuses.Completed) with
        {
            StartedAt = Jobs.CreatedAt.AddSeconds(1),
            FinishedAt = Jobs.CreatedAt.AddSeconds(5),
        };

        var steps = RunStep.Of(
            new RunView
            {
                Job = job,
                Status = job.Status,
                Attempt = 1,
                TextLength = 5,
            },
            Jobs.CreatedAt.AddDays(1)
        );

        Assert.Equal([null, 1d, 4d, 5d], steps.Select(step => step.Time?.TotalSeconds));
    }

    [Fact]
    public void A_run_stopped_before_it_began_was_not_started()
    {
        var job = Jobs.Some(JobStatuses.Cancelled) with { FinishedAt = Jobs.CreatedAt.AddSeconds(2) };

        Assert.Equal(
            ["done Accepted", "done Waited", "todo Not started", "stopped Stopped by you"],
            Steps(new RunView { Job = job, Status = job.Status })
        );
    }

    private static IEnumerable<string> Steps(RunView run) =>
        RunStep.Of(run, Jobs.CreatedAt.AddSeconds(3)).Select(step => $"{step.State} {step.Text}");
}
