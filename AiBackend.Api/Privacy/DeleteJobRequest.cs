using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Jobs;
using AiBackend.Core.Privacy;

namespace AiBackend.Api.Privacy;

/// <summary><c>DELETE /api/v1/jobs/{id}</c>: a job that has ended, with all that is known of it.</summary>
internal sealed class DeleteJobRequest(DeleteJob delete, JobReads jobs)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
        }
        else if (
            context.JobId() is not { } id
            || await jobs.FindHeadAsync(context.GetTenantId(), id, context.RequestAborted) is not { } head
        )
        {
            await context.RefuseUnknownJobAsync();
        }
        else if (!head.Status.IsTerminal())
        {
            await context.RefuseAsync(
                ProblemTypes.JobNotEnded.With($"Job {id} has not ended. Cancel it, and delete it when it has ended.")
            );
        }
        else if (await delete.RunAsync(context.GetTenantId(), id, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await RefuseAsync(context, id);
        }
    }

    /// <summary>Somebody else was first, what it cost is not known yet, or a run needs it.</summary>
    private async Task RefuseAsync(HttpContext context, Guid id) =>
        await (
            await jobs.FindHeadAsync(context.GetTenantId(), id, context.RequestAborted) is null
                ? context.RefuseUnknownJobAsync()
                : context.RefuseAsync(
                    ProblemTypes.JobNotEnded.With(
                        $"Job {id} cannot go yet: a provider call of it is not settled, or it belongs to a run whose job, or a step's job, has not ended. Delete it in a minute, or when the run has ended."
                    ) with
                    {
                        RetryAfter = Pause,
                    }
                )
        );
}
