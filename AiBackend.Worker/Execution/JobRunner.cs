using AiBackend.Core.Cache;
using AiBackend.Core.Conversations;
using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Tenancy;
using AiBackend.Worker.Execution.Chat;
using AiBackend.Worker.Execution.Workflows;

namespace AiBackend.Worker.Execution;

/// <summary>Runs one attempt under its lease and records how it ended.</summary>
internal sealed class JobRunner(
    LeasedWrites writes,
    SharedAnswers answers,
    ConversationTurns turns,
    CompactionJobs compactions,
    HeldLeases held,
    IKeyGrants grants,
    ChatAttempt chat,
    NoopAttempt noop,
    WorkflowAttempt workflow,
    ToolAttempt tool,
    ReviewAttempt review,
    JobMetrics metrics,
    TimeProvider clock,
    ILogger<JobRunner> logger
)
{
    /// <param name="job">The job as claimed.</param>
    /// <param name="confirmedAt">A timestamp from before the claim was sent.</param>
    /// <param name="graceOver">Fires when the job must be given back.</param>
    /// <returns>Whether Postgres knows how it ended, here or elsewhere, so that its queue entry may go.</returns>
    public async Task<bool> RunAsync(ClaimedJob job, long confirmedAt, CancellationToken graceOver)
    {
        using var span = AttemptSpan.Start(job);
        using var running = writes.Open(job);
        held.Add(running, confirmedAt);
        FaultPoints.Hit(FaultPoint.K7, job.Model);
        try
        {
            var end =
                await RefuseAsync(job)
                ?? job.Type switch
                {
                    JobType.Chat => await chat.RunAsync(running, graceOver),
                    JobType.Workflow => await workflow.RunAsync(running, graceOver),
                    JobType.Tool => await tool.RunAsync(running, graceOver),
                    JobType.Review => review.Run(running),
                    JobType.Noop => await noop.RunAsync(running, confirmedAt, graceOver),
                    _ => AttemptEnd.FailedForGood(
                        new("unknown_type", "caller_error", "This worker does not know the job's type; a newer one may.", Retryable: false)
                    ),
                };
            if (await running.EndAsync(end))
            {
                metrics.Ended(job, end, clock.GetElapsedTime(confirmedAt));
                span?.Describe(end);
                await SettleAsync(job, end);
            }

            return true;
        }
        catch (Exception failure)
        {
            // Safe to go on: the row still says processing, and the rescuer returns the job when the lease expires.
            logger.AttemptAbandoned(failure, job.Lease.JobId, job.Type, job.Attempt);
            return false;
        }
        finally
        {
            held.Remove(running);
        }
    }

    /// <summary>What its key may do counts when it runs, and not only when it was submitted.</summary>
    private async ValueTask<AttemptEnd?> RefuseAsync(ClaimedJob job)
    {
        if (job.KeyId is null)
        {
            return null;
        }

        // A run asks no model itself, and each of its steps is looked at as the job that it is.
        string?[] models = job.Type.IsOfModel() ? [job.Model, .. JobTerms.Read(job.Terms).Judges] : [null];
        foreach (var model in models)
        {
            // None: the limit of every statement bounds it.
            switch (await grants.RefuseAsync(job.KeyId, model, job.CreatedAt, CancellationToken.None))
            {
                case KeyRefusal.Revoked:
                    return AttemptEnd.FailedForGood(
                        new("key_revoked", "caller_error", $"The API key {job.KeyId} was revoked before the job began.", Retryable: false)
                    );
                case KeyRefusal.Model:
                    return AttemptEnd.FailedForGood(
                        new(
                            "model_not_allowed",
                            "caller_error",
                            $"The API key {job.KeyId} may not ask for {model} any more.",
                            Retryable: false
                        )
                    );
            }
        }

        return null;
    }

    /// <summary>Whoever waits for this job's answer, or for its turn, need not wait for the leader's next round.</summary>
    private async Task SettleAsync(ClaimedJob job, AttemptEnd end)
    {
        try
        {
            // None: the job has ended; the limit of every statement bounds it.
            if (job.CacheKey is not null)
            {
                await answers.SettleNowAsync(CancellationToken.None);
            }

            if (JobTerms.Read(job.Terms).Conversation is { Id: { } conversation })
            {
                await turns.WakeAsync(conversation, CancellationToken.None);
                if (end is { Status: JobStatus.Completed or JobStatus.PartiallyCompleted, Context: { } context })
                {
                    await compactions.SubmitAsync(job, context, CancellationToken.None);
                }
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe: the leader's next round does the same, and the next job of a conversation wants its summary again.
        }
    }
}
