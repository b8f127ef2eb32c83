using AiBackend.Api.Auth;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Jobs;

/// <summary><c>GET /api/v1/jobs/{id}/trace</c>: what happened to a job, when, and what it cost.</summary>
internal sealed class GetJobTrace(JobTraces traces, LedgerReads ledger, JobOwner owner)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request, JobOwner.Parameters) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var (refusal, tenantId) = await owner.ReadAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
        else if (context.JobId() is { } id && await traces.FindAsync(tenantId, id, context.RequestAborted) is { } trace)
        {
            var calls = await ledger.OfAsync(tenantId, id, context.RequestAborted);
            await JsonAnswer.WriteAsync(
                context,
                StatusCodes.Status200OK,
                Shown(trace, context.User.GetCaller()) with
                {
                    Ledger = calls,
                },
                WireJson.Default.JobTrace
            );
        }
        else
        {
            await context.RefuseUnknownJobAsync();
        }
    }

    /// <summary>Names of processes are for whoever may list them.</summary>
    private static JobTrace Shown(JobTrace trace, Caller caller) =>
        caller.IsOperator() && caller.Has(Policies.ReadOperations)
            ? trace
            : trace with
            {
                Attempts = [.. trace.Attempts.Select(attempt => attempt with { Worker = null })],
            };
}
