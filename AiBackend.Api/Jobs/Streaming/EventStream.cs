using System.Buffers;
using System.IO.Pipelines;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Problems;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Sends a job's events to one reader, as fast as the reader takes them.</summary>
/// <remarks>Nothing is buffered beyond the response's own pipe: a slow reader falls back to the log, and a stuck one is cut by Kestrel's minimum rate.</remarks>
internal sealed class EventStream(
    JobEventTail tail,
    LiveKeys keys,
    KeyRateLimits limits,
    IOptions<StreamingOptions> options,
    IHostApplicationLifetime lifetime,
    TimeProvider clock
)
{
    /// <summary>Makes room for a request's stream, until the request is over; before <see cref="SendAsync(HttpResponse, Guid, int, EventView)"/>, and before what it is about is begun.</summary>
    /// <returns>Why the caller may have no other stream for now, or null.</returns>
    public Refusal? Open(HttpContext context)
    {
        if (keys.TryWatch(context, limits.MostStreams) is not { } key)
        {
            return limits.TooManyStreams(context.User.GetCaller().KeyId);
        }

        context.Response.RegisterForDispose(key);
        context.Features.Set(key);
        return null;
    }

    /// <summary>Sends every event after <paramref name="after"/> as <paramref name="view"/> shows it; returns after <c>final</c>, when the reader leaves or the server stops.</summary>
    public async Task<StreamEnd> SendAsync(HttpResponse response, Guid jobId, int after, EventView view)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        // Proxies of the nginx family hold back what they are not told to pass on.
        response.Headers["X-Accel-Buffering"] = "no";

        var key = response.HttpContext.Features.GetRequiredFeature<LiveKeys.Registration>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(
            response.HttpContext.RequestAborted,
            lifetime.ApplicationStopping,
            key.Revoked
        );
        try
        {
            await SendAsync(response.BodyWriter, response.HttpContext.GetTenantId(), jobId, after, view, stop);
            return StreamEnd.Complete;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            if (response.HttpContext.RequestAborted.IsCancellationRequested)
            {
                return StreamEnd.ReaderLeft;
            }

            // It will find another server to resume from, or its key no longer counts.
            var why = key.Revoked.IsCancellationRequested ? StreamEnd.KeyRevoked : StreamEnd.Stopping;
            view.Interrupt(response.BodyWriter, why);
            return why;
        }
        catch (Exception) when (response.HasStarted)
        {
            // Logged by who failed. A cut connection tells the reader to resume; a proper end would look like a whole answer.
            response.HttpContext.Abort();
            return StreamEnd.Stopping;
        }
    }

    private async Task SendAsync(PipeWriter output, Guid tenantId, Guid jobId, int after, EventView view, CancellationTokenSource stop)
    {
        view.Begin(output);
        using var heartbeat = new PeriodicTimer(options.Value.Heartbeat, clock);
        var beat = heartbeat.WaitForNextTickAsync(stop.Token).AsTask();
        await using var events = tail.FollowAsync(tenantId, jobId, after, stop.Token).GetAsyncEnumerator(stop.Token);
        while (true)
        {
            // A task that is complete costs nothing; one that is not means that there is nothing more to say for now, and what
            // was written so far must not wait.
            var next = events.MoveNextAsync().AsTask();
            if (!next.IsCompleted)
            {
                beat = await BeatUntilAsync(next, beat, output, heartbeat, stop);
            }

            if (!await next || !await view.WriteAsync(output, events.Current, stop.Token))
            {
                break;
            }
        }

        await output.FlushAsync(stop.Token);
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
