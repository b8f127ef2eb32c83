using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.DeadLetters;

/// <summary><c>POST /api/v1/jobs/{id}/discard</c>: nobody needs this dead letter any more.</summary>
internal sealed class DiscardJobRequest(DiscardDeadLetter discard, JobReads jobs)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        if (context.JobId() is not { } id)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        var caller = context.User.GetCaller();
        switch (await discard.RunAsync(caller.TenantId, id, caller.KeyId, context.RequestAborted))
        {
            case DiscardOutcome.Done(var letter):
                await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, letter, WireJson.Default.DeadLetter);
                break;
            case DiscardOutcome.Replayed(var newId):
                await context.RefuseAsync(
                    ProblemTypes.NotADeadLetter.With($"Job {id} was replayed as job {newId}; there is nothing left to discard.")
                );
                break;
            case DiscardOutcome.NotFound:
                await RefuseAsync(context, caller.TenantId, id);
                break;
            default:
                throw new UnreachableException();
        }
    }

    private async Task RefuseAsync(HttpContext context, Guid tenantId, Guid id)
    {
        if (await jobs.FindHeadAsync(tenantId, id, context.RequestAborted) is not { } head)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        await context.RefuseAsync(
            ProblemTypes.NotADeadLetter.With(
                $"Job {id} is {head.Status.ToWire()} and not a dead letter. Only jobs that failed for good through no fault of their caller can be discarded."
            )
        );
    }
}
