using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;

namespace AiBackend.Api.Jobs;

/// <summary><c>GET /api/v1/jobs/{id}/trace</c>: what happened to a job, when, and what it cost.</summary>
internal sealed class GetJobTrace(JobTraces traces, LedgerReads ledger)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
        }
        else if (context.JobId() is { } id && await traces.FindAsync(context.GetTenantId(), id, context.RequestAborted) is { } trace)
        {
            var calls = await ledger.OfAsync(context.GetTenantId(), id, context.RequestAborted);
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, trace with { Ledger = calls }, WireJson.Default.JobTrace);
        }
        else
        {
            await context.RefuseUnknownJobAsync();
        }
    }
}
