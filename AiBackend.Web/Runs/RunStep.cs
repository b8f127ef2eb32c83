using AiBackend.ApiContracts.Jobs;
using static System.FormattableString;

namespace AiBackend.Web.Runs;

/// <summary>One line of a run's checklist.</summary>
/// <param name="State"><c>done</c>, <c>now</c>, <c>wait</c> (now, for others), <c>todo</c>, <c>failed</c> or <c>stopped</c>.</param>
/// <param name="Text">What happened or happens.</param>
/// <param name="Time">How long it took or has taken; null when unknown.</param>
internal sealed record RunStep(string State, string Text, TimeSpan? Time)
{
    /// <summary>The way of a run from acceptance to its end, as far as it is known now.</summary>
    public static IReadOnlyList<RunStep> Of(RunView run, DateTimeOffset now)
    {
        if (run.Job is not { } job)
        {
            return [];
        }

        List<RunStep> steps = [new("done", "Accepted", null), Wait(run, job, now)];
        // A run that failed says so once, with all its tries.
        if (run.Status is not JobStatuses.Failed && FailedTries(run) is > 0 and var failed)
        {
            steps.Add(new("failed", failed == 1 ? "First try did not finish" : Invariant($"{failed} tries did not finish"), null));
        }

        steps.Add(Write(run, job, now));
        steps.Add(End(run, job));
        return steps;
    }

    /// <summary>Those that have ended, without those in which nobody could be asked. A log of before does not tell them apart, but the reason to wait does.</summary>
    private static int FailedTries(RunView run)
    {
        var ended = run.Status is JobStatuses.Retrying or JobStatuses.Queued ? run.Attempt : run.Attempt - 1;
        return ended - Math.Max(run.Excused, RunWords.WaitsFor(run) is null ? 0 : 1);
    }

    private static RunStep Wait(RunView run, Job job, DateTimeOffset now)
    {
        if (job.StartedAt is { } started)
        {
            return new("done", "Waited", started - job.CreatedAt);
        }

        return run.HasEnded ? new("done", "Waited", job.FinishedAt - job.CreatedAt)
            : run.Status is JobStatuses.Processing ? new("done", "Waited", null)
            : new("wait", "Waiting", now - job.CreatedAt);
    }

    private static RunStep Write(RunView run, Job job, DateTimeOffset now)
    {
        if (run.Status is JobStatuses.Failed && run.Attempt > 0)
        {
            var tries = run.Attempt - run.Excused;
            return new("failed", tries <= 1 ? "Tried once" : Invariant($"Tried {tries} times"), job.FinishedAt - job.StartedAt);
        }

        if (run.HasEnded)
        {
            return job.StartedAt is null
                ? new("todo", "Not started", null)
                : new("done", run.TextLength > 0 ? "Wrote" : "Ran", job.FinishedAt - job.StartedAt);
        }

        return run.Status is JobStatuses.Processing ? new("now", run.TextLength > 0 ? "Writing" : "Starting to write", now - job.StartedAt)
            : RunWords.WaitsFor(run) is { } cause ? new("wait", cause, null)
            : run.Status is JobStatuses.WaitingForTool or JobStatuses.WaitingForReview ? new("wait", RunWords.Status(run.Status), null)
            : new("todo", "Write", null);
    }

    private static RunStep End(RunView run, Job job) =>
        run.Status switch
        {
            JobStatuses.Completed => new("done", "Done", job.FinishedAt - job.CreatedAt),
            JobStatuses.PartiallyCompleted => new("done", "Partly done", job.FinishedAt - job.CreatedAt),
            JobStatuses.Failed => new("failed", "Failed", job.FinishedAt - job.CreatedAt),
            JobStatuses.Cancelled => new("stopped", "Stopped by you", job.FinishedAt - job.CreatedAt),
            _ => new("todo", "Done", null),
        };
}
