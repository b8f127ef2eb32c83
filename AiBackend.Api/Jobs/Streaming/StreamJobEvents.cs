using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using Microsoft.Net.Http.Headers;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary><c>GET /api/v1/jobs/{id}/events</c>: the event log as a stream that can be resumed from any number, or as a page.</summary>
internal sealed class StreamJobEvents(JobReads jobs, JobEventReader events, EventStream stream)
{
    private const int PageSize = 500;

    public async Task HandleAsync(HttpContext context)
    {
        if (ResumePoint.TryRead(context.Request, out var after) is { } bad)
        {
            await context.RefuseAsync(bad);
        }
        else if (
            context.JobId() is not { } id
            || await jobs.FindHeadAsync(context.GetTenantId(), id, context.RequestAborted) is not { } head
        )
        {
            await context.RefuseUnknownJobAsync();
        }
        else if (after > head.LastSeq)
        {
            await context.RefuseAsync(ResumePoint.Beyond(after, head.LastSeq));
        }
        else if (WantsPage(context.Request))
        {
            await AnswerPageAsync(context, id, after, hasEnded: after == head.LastSeq && head.Status.IsTerminal());
        }
        else if (after == head.LastSeq && head.Status.IsTerminal())
        {
            // 204 is how an event source is told not to come back.
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else if (stream.Open(context) is { } full)
        {
            await context.RefuseAsync(full);
        }
        else
        {
            await stream.SendAsync(context.Response, id, after, NativeView.Instance);
        }
    }

    /// <summary>Whether JSON is asked for and a stream is not wanted as much.</summary>
    private static bool WantsPage(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var accepted))
        {
            return false;
        }

        var (page, stream) = (0.0, 0.0);
        foreach (var range in accepted)
        {
            var quality = range.Quality ?? 1;
            page = range.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) ? Math.Max(page, quality) : page;
            stream = range.MediaType.Equals("text/event-stream", StringComparison.OrdinalIgnoreCase) ? Math.Max(stream, quality) : stream;
        }

        return page > stream;
    }

    private async Task AnswerPageAsync(HttpContext context, Guid id, int after, bool hasEnded)
    {
        var page = await events.ReadPageAsync(context.GetTenantId(), id, after, PageSize, context.RequestAborted);
        var data = page.Select(record => record.ToWire()).ToList();
        int? next = page switch
        {
            [.., { Kind: JobEventKind.Final }] => null,
            [.., var last] => last.Seq,
            [] => hasEnded ? null : after,
        };
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new JobEventPage(data, next), WireJson.Default.JobEventPage);
    }
}
