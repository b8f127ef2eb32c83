using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary><c>GET /api/v1/jobs</c>: newest first, page by page.</summary>
internal sealed class ListJobs(JobReads jobs, JobOwner owner)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (JobListQuery.TryRead(context.Request, out var query) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var (notShown, tenantId) = await owner.ReadAsync(context, "*");
        if (notShown is not null)
        {
            await context.RefuseAsync(notShown);
            return;
        }

        // One more than shown says whether there is another page.
        var limit = query.Filter.Limit;
        var found = await jobs.ListAsync(tenantId, query.Filter with { Limit = limit + 1 }, context.RequestAborted);
        IReadOnlyList<Job> shown = found.Count > limit ? [.. found.Take(limit)] : found;
        var next = found.Count > limit ? JobCursor.Write(shown[^1].Id, query.Marks) : null;
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new JobPage(shown, next), WireJson.Default.JobPage);
    }
}
