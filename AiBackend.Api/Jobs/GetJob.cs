using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Outlook;

namespace AiBackend.Api.Jobs;

/// <summary><c>GET /api/v1/jobs/{id}</c>, at once or as soon as the job has ended.</summary>
internal sealed class GetJob(JobReads jobs, LineOutlook outlook, JobWait wait, JobOwner owner)
{
    private static readonly string[] Names = ["wait", .. JobOwner.Parameters];
    private static readonly int LongestWait = (int)Preferences.LongestWait.TotalSeconds;

    public async Task HandleAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request, Names) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        if (QueryParameters.TryReadNumber(context.Request, "wait", 0, LongestWait, fallback: 0, out var seconds) is { } invalid)
        {
            await context.RefuseAsync(invalid);
            return;
        }

        var (refusal, tenantId) = await owner.ReadAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var job = await FindAsync(context, tenantId, seconds);
        await (
            job is null
                ? context.RefuseUnknownJobAsync()
                : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, job, WireJson.Default.Job)
        );
    }

    private async Task<Job?> FindAsync(HttpContext context, Guid tenantId, int seconds)
    {
        if (context.JobId() is not { } id)
        {
            return null;
        }

        if (seconds > 0 && await jobs.FindHeadAsync(tenantId, id, context.RequestAborted) is { } head && !head.Status.IsTerminal())
        {
            var patience = TimeSpan.FromSeconds(seconds);
            if (await wait.ForEndAsync(context, tenantId, id, patience) is { } ended)
            {
                return ended;
            }
        }

        return await jobs.FindAsync(tenantId, id, context.RequestAborted) is { } job ? outlook.Describe(job, tenantId) : null;
    }
}
