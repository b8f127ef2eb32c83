using AiBackend.Core.Jobs;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Jobs;

public sealed class JobStateMachineTests
{
    private static readonly JobTrigger[] Triggers = Enum.GetValues<JobTrigger>();
    private static readonly JobStatus[] Statuses = Enum.GetValues<JobStatus>();

    // Written out by hand from the lifecycle table, so that it is not a copy of the switch.
    private static readonly HashSet<(JobStatus, JobStatus)> Allowed =
    [
        (JobStatus.Scheduled, JobStatus.Queued),
        (JobStatus.Scheduled, JobStatus.Cancelled),
        (JobStatus.Scheduled, JobStatus.Failed),
        (JobStatus.Queued, JobStatus.Processing),
        (JobStatus.Queued, JobStatus.Retrying),
        (JobStatus.Queued, JobStatus.Cancelled),
        (JobStatus.Queued, JobStatus.Failed),
        (JobStatus.Processing, JobStatus.Completed),
        (JobStatus.Processing, JobStatus.PartiallyCompleted),
        (JobStatus.Processing, JobStatus.Failed),
        (JobStatus.Processing, JobStatus.Retrying),
        (JobStatus.Processing, JobStatus.Queued),
        (JobStatus.Processing, JobStatus.WaitingForTool),
        (JobStatus.Processing, JobStatus.WaitingForReview),
        (JobStatus.Processing, JobStatus.Cancelled),
        (JobStatus.WaitingForTool, JobStatus.Queued),
        (JobStatus.WaitingForTool, JobStatus.Cancelled),
        (JobStatus.WaitingForTool, JobStatus.Failed),
        (JobStatus.WaitingForReview, JobStatus.Queued),
        (JobStatus.WaitingForReview, JobStatus.Completed),
        (JobStatus.WaitingForReview, JobStatus.Failed),
        (JobStatus.WaitingForReview, JobStatus.Cancelled),
        (JobStatus.Retrying, JobStatus.Queued),
        (JobStatus.Retrying, JobStatus.Cancelled),
        (JobStatus.Retrying, JobStatus.Failed),
    ];

    [Fact]
    public void Every_pair_of_status_and_trigger_leads_along_an_allowed_edge_and_every_edge_has_a_trigger()
    {
        var edges = new HashSet<(JobStatus, JobStatus)>();
        foreach (var status in Statuses)
        {
            foreach (var trigger in Triggers)
            {
                if (JobStateMachine.Next(status, trigger) is { } next)
                {
                    edges.Add((status, next));
                }
            }
        }

        Assert.Equal(Allowed.Order(), edges.Order());
    }

    [Fact]
    public void P_1_any_sequence_of_triggers_stays_on_allowed_edges_and_never_leaves_a_terminal_status() =>
        Prop.ForAll(
                Gen.Elements(Triggers).ListOf().ToArbitrary(),
                triggers =>
                {
                    var status = JobStatus.Queued;
                    foreach (var trigger in triggers)
                    {
                        var next = JobStateMachine.Next(status, trigger);
                        if (next is null)
                        {
                            continue;
                        }

                        Assert.False(status.IsTerminal(), $"{status} was left by {trigger}.");
                        Assert.Contains((status, next.Value), Allowed);
                        status = next.Value;
                    }
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Every_status_has_a_name_on_the_wire_and_reads_back()
    {
        Assert.Equal(10, Statuses.Length);

        foreach (var status in Statuses)
        {
            Assert.True(JobStatusNames.TryParse(status.ToWire(), out var parsed));
            Assert.Equal(status, parsed);
        }

        Assert.False(JobStatusNames.TryParse("running", out _));
    }
}
