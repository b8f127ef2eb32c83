using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Operations;

namespace AiBackend.Api.Operations;

/// <summary><c>GET /api/v1/workers</c>: the worker processes that were alive lately.</summary>
internal sealed class ListWorkers(WorkerReads workers)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = new WorkerList(await workers.ListAsync(context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.WorkerList);
    }
}
