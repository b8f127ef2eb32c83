using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary><c>POST /api/v1/jobs/{id}/cancel</c>: ends a waiting job now; tells the worker of a running one to stop.</summary>
internal sealed class CancelJobRequest(CancelJob cancel, JobReads jobs)
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

        var tenantId = context.GetTenantId();
        switch (await cancel.RunAsync(tenantId, id, context.RequestAborted))
        {
            case CancelOutcome.Accepted:
                var job = await jobs.FindAsync(tenantId, id, context.RequestAborted) ?? throw new UnreachableException();
                await JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, job, WireJson.Default.Job);
                break;
            case CancelOutcome.AlreadyEnded(var status):
                await context.RefuseAsync(
                    ProblemTypes.JobTerminal.With($"Job {id} has already ended as {status.ToWire()}. A job that has ended cannot change.")
                );
                break;
            case CancelOutcome.NotFound:
                await context.RefuseUnknownJobAsync();
                break;
            default:
                throw new UnreachableException();
        }
    }
}
