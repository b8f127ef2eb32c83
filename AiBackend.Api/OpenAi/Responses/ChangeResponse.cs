using System.Text.Json.Nodes;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary><c>POST /v1/responses/{id}/cancel</c> and <c>DELETE /v1/responses/{id}</c>.</summary>
internal sealed class ChangeResponse(PreviousResponses responses, CancelJob cancel, JobReads jobs, JobWait wait, DoorDetailsStore store)
{
    // Its worker hears of it within half a second.
    private static readonly TimeSpan CancelPatience = TimeSpan.FromSeconds(5);

    public async Task CancelAsync(HttpContext context)
    {
        var (tenantId, id) = (context.GetTenantId(), (string)context.Request.RouteValues["id"]!);
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
        }
        else if (await responses.FindAsync(tenantId, id, context.RequestAborted) is not var (job, details, _))
        {
            await context.RefuseAsync(PreviousResponses.Unknown(id));
        }
        else if (!details.Background)
        {
            await context.RefuseAsync(
                ProblemTypes.InvalidValue.At(
                    "id",
                    $"The response {Quoted.Of(id)} is not in the background; close its connection to cancel it."
                )
            );
        }
        else
        {
            var ended =
                await cancel.RunAsync(tenantId, job.Id, context.RequestAborted) is CancelOutcome.Accepted
                    ? await wait.ForEndAsync(context, tenantId, job.Id, CancelPatience)
                    : null;
            var now = ended ?? await jobs.FindAsync(tenantId, job.Id, context.RequestAborted) ?? job;
            await ResponseAnswer.SendAsync(context, now, details);
        }
    }

    /// <summary>Nobody finds it any more. Its job, which bills and traces name, stays for as long as every job.</summary>
    public async Task DeleteAsync(HttpContext context)
    {
        var (tenantId, id) = (context.GetTenantId(), (string)context.Request.RouteValues["id"]!);
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        if (
            await responses.FindAsync(tenantId, id, context.RequestAborted) is not var (job, _, _)
            || !await store.DeleteAsync(tenantId, job.Id, context.RequestAborted)
        )
        {
            await context.RefuseAsync(PreviousResponses.Unknown(id));
            return;
        }

        await cancel.RunAsync(tenantId, job.Id, context.RequestAborted);
        await ResponseAnswer.SendAsync(
            context,
            new JsonObject
            {
                ["id"] = id,
                ["object"] = "response",
                ["deleted"] = true,
            }
        );
    }
}
