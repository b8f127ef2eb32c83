using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary><c>GET /api/v1/jobs/{id}/trace</c>: what happened to a job, when, and what it cost.</summary>
internal sealed class GetJobTrace(JobTraces traces)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
        }
        else if (context.JobId() is { } id && await traces.FindAsync(context.GetTenantId(), id, context.RequestAborted) is { } trace)
        {
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, trace, WireJson.Default.JobTrace);
        }
        else
        {
            await context.RefuseUnknownJobAsync();
        }
    }
}
