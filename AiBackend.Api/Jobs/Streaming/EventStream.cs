using System.Buffers;
using System.IO.Pipelines;
using AiBackend.Api.Auth;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Sends a job's events to one reader, as fast as the reader takes them.</summary>
/// <remarks>Nothing is buffered beyond the response's own pipe: a slow reader falls back to the log, and a stuck one is cut by Kestrel's minimum rate.</remarks>
internal sealed class EventStream(
    JobEventTail tail,
    LiveKeys keys,
    IOptions<StreamingOptions> options,
    IHostApplicationLifetime lifetime,
    TimeProvider clock
)
{
    private const int FlushAbove = 32 * 1024;

    /// <summary>Sends every event after <paramref name="after"/>; returns after <c>final</c>, when the reader leaves or the server stops.</summary>
    public async Task SendAsync(HttpResponse response, Guid jobId, int after)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        // Proxies of the nginx family hold back what they are not told to pass on.
        response.Headers["X-Accel-Buffering"] = "no";

        using var key = keys.Watch(response.HttpContext.Request);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(
            response.HttpContext.RequestAborted,
            lifetime.ApplicationStopping,
            key.Revoked
        );
        try
        {
            await SendAsync(response.BodyWriter, jobId, after, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The reader left, or it will find another server to resume from, or its key no longer counts.
        }
        catch (Exception) when (response.HasStarted)
        {
            // Logged by who failed. A cut connection tells the reader to resume; a proper end would look like a whole answer.
            response.HttpContext.Abort();
        }
    }

    private async Task SendAsync(PipeWriter output, Guid jobId, int after, CancellationTokenSource stop)
    {
        output.Write(EventStreamWriter.Greeting);
        using var heartbeat = new PeriodicTimer(options.Value.Heartbeat, clock);
        var beat = heartbeat.WaitForNextTickAsync(stop.Token).AsTask();
        await using var events = tail.FollowAsync(jobId, after, stop.Token).GetAsyncEnumerator(stop.Token);
        while (true)
        {
            // A task that is complete costs nothing; one that is not means that there is nothing more to say for now, and what
            // was written so far must not wait.
            var next = events.MoveNextAsync().AsTask();
            if (!next.IsCompleted)
            {
                beat = await BeatUntilAsync(next, beat, output, heartbeat, stop);
            }

            if (!await next)
            {
                break;
            }

            await WriteAsync(output, events.Current, stop.Token);
        }

        await output.FlushAsync(stop.Token);
    }

    /// <summary>Writes one event in pieces: a reader that stands still costs a buffer, not a copy of the whole output.</summary>
    private static async ValueTask WriteAsync(PipeWriter output, JobEventRecord record, CancellationToken cancellationToken)
    {
        EventStreamWriter.WriteBegin(output, record);
        for (var rest = record.Data; rest.Length > 0; )
        {
            var piece = rest[..Math.Min(rest.Length, FlushAbove)];
            output.Write(piece.Span);
            rest = rest[piece.Length..];
            if (output.UnflushedBytes > FlushAbove)
            {
                await output.FlushAsync(cancellationToken);
            }
        }

        output.Write(EventStreamWriter.End);
    }

    /// <summary>Flushes, then sends heartbeats until the next event is there.</summary>
    /// <returns>The next heartbeat.</returns>
    private static async Task<Task<bool>> BeatUntilAsync(
        Task<bool> pending,
        Task<bool> beat,
        PipeWriter output,
        PeriodicTimer heartbeat,
        CancellationTokenSource stop
    )
    {
        try
        {
            await output.FlushAsync(stop.Token);
            while (await Task.WhenAny(pending, beat) != pending)
            {
                output.Write(EventStreamWriter.Heartbeat);
                await output.FlushAsync(stop.Token);
                beat = heartbeat.WaitForNextTickAsync(stop.Token).AsTask();
            }

            return beat;
        }
        catch
        {
            // An iterator may not be disposed of while it is being moved.
            await stop.CancelAsync();
            await ((Task)pending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }
}
