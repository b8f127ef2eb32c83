namespace AiBackend.Core.Jobs;

/// <summary>What can happen to a job.</summary>
public enum JobTrigger
{
    /// <summary>Its time has come.</summary>
    BecomeDue,

    /// <summary>A worker takes the lease.</summary>
    Claim,

    /// <summary>A worker would take the lease, but as many jobs of its key or tenant run as may.</summary>
    MeetRunningLimit,

    /// <summary>The attempt produced the whole result.</summary>
    Succeed,

    /// <summary>The attempt produced a useful part of the result and the rest will not come.</summary>
    SucceedPartially,

    /// <summary>The attempt failed and another one is allowed.</summary>
    FailForNow,

    /// <summary>The attempt failed and no other one is allowed.</summary>
    FailForGood,

    /// <summary>The attempt ended through nobody's fault (drain, deploy, throttle) or its worker was lost.</summary>
    GiveBack,

    /// <summary>The attempt needs an external tool result.</summary>
    AskForTool,

    /// <summary>The tool result arrived.</summary>
    ToolAnswered,

    /// <summary>The attempt needs a person's decision.</summary>
    AskForReview,

    /// <summary>The reviewer wants the job to go on.</summary>
    ReviewContinues,

    /// <summary>The reviewer accepted the proposed result.</summary>
    ReviewAccepts,

    /// <summary>The reviewer refused the proposed result.</summary>
    ReviewRejects,

    /// <summary>The deadline passed while nobody worked on the job.</summary>
    Expire,

    /// <summary>A caller or operator ended it.</summary>
    Cancel,
}

/// <summary>Says which status a trigger leads to. Pure; the diagram in ARCHITECTURE.md shows the same edges.</summary>
/// <remarks>Every SQL statement that changes a status repeats its edge's guard.</remarks>
public static class JobStateMachine
{
    /// <returns>The next status, or null when <paramref name="trigger"/> is not allowed in <paramref name="from"/>.</returns>
    public static JobStatus? Next(JobStatus from, JobTrigger trigger) =>
        (from, trigger) switch
        {
            (JobStatus.Scheduled or JobStatus.Retrying, JobTrigger.BecomeDue) => JobStatus.Queued,
            (JobStatus.Queued, JobTrigger.Claim) => JobStatus.Processing,
            (JobStatus.Queued, JobTrigger.MeetRunningLimit) => JobStatus.Retrying,
            (JobStatus.Processing, JobTrigger.Succeed) => JobStatus.Completed,
            (JobStatus.Processing, JobTrigger.SucceedPartially) => JobStatus.PartiallyCompleted,
            (JobStatus.Processing, JobTrigger.FailForNow) => JobStatus.Retrying,
            (JobStatus.Processing, JobTrigger.FailForGood) => JobStatus.Failed,
            (JobStatus.Processing, JobTrigger.GiveBack) => JobStatus.Queued,
            (JobStatus.Processing, JobTrigger.AskForTool) => JobStatus.WaitingForTool,
            (JobStatus.Processing, JobTrigger.AskForReview) => JobStatus.WaitingForReview,
            (JobStatus.WaitingForTool, JobTrigger.ToolAnswered) => JobStatus.Queued,
            (JobStatus.WaitingForReview, JobTrigger.ReviewContinues) => JobStatus.Queued,
            (JobStatus.WaitingForReview, JobTrigger.ReviewAccepts) => JobStatus.Completed,
            (JobStatus.WaitingForReview, JobTrigger.ReviewRejects) => JobStatus.Failed,
            // A running job's deadline is its worker's business: it knows whether partial output exists.
            (not JobStatus.Processing, JobTrigger.Expire) when !from.IsTerminal() => JobStatus.Failed,
            // From Processing only the lease holder applies Cancel; the Api marks the row, and notification or renewal tells the holder.
            (_, JobTrigger.Cancel) when !from.IsTerminal() => JobStatus.Cancelled,
            // Terminal states are absorbing: a replay is a new job.
            _ => null,
        };
}
