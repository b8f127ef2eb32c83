using System.Text;
using AiBackend.Api.Jobs;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.DeadLetters;

namespace AiBackend.Api.DeadLetters;

/// <summary><c>GET /api/v1/jobs/{id}/input</c>: what the job was asked to do.</summary>
internal sealed class GetJobInput(ReplayJob jobs, JobOwner owner)
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
            return;
        }

        if (context.JobId() is not { } id || await jobs.FindInputAsync(tenantId, id, context.RequestAborted) is not { } input)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        var bytes = Encoding.UTF8.GetBytes(input);
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
