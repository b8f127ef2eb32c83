using System.Collections.Concurrent;
using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.ServiceDefaults.Hosting;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Who may have a connection to the hub, and how many.</summary>
internal sealed class HubDoor : IHubFilter
{
    /// <summary>Where it is.</summary>
    public const string Address = "/hubs/jobs";

    /// <summary>Of one user or key at each server; one connection follows any number of jobs.</summary>
    public const int MostConnections = 20;

    private readonly ConcurrentDictionary<string, int> _open = new(StringComparer.Ordinal);

    /// <summary>What a connection may do.</summary>
    public static void Configure(HttpConnectionDispatcherOptions hub)
    {
        // Keys travel in headers only, and the third transport cannot send any.
        hub.Transports = HttpTransportType.WebSockets | HttpTransportType.LongPolling;
        // What was let in with a key that ends does not outlive it.
        hub.CloseOnAuthenticationExpiration = true;
    }

    /// <summary>No page of another origin connects: browsers ask nobody before they open a WebSocket.</summary>
    public static Task CheckOriginAsync(HttpContext context, RequestDelegate next) =>
        context.Request.Path.StartsWithSegments(Address, StringComparison.OrdinalIgnoreCase)
        && context.Request.Headers.Origin is { Count: > 0 } origin
        && !context.Request.IsOwn(origin.ToString())
            ? context.RefuseAsync(
                ProblemTypes.ForeignOrigin.With(
                    $"The request comes from a page of {Quoted.Of(origin.ToString())}, and only pages of this address may connect. Connect from a server, or leave the header Origin out."
                )
            )
            : next(context);

    /// <inheritdoc />
    public async Task OnConnectedAsync(HubLifetimeContext context, Func<HubLifetimeContext, Task> next)
    {
        var keyId = context.Context.User!.GetCaller().KeyId;
        if (_open.AddOrUpdate(keyId, 1, static (_, open) => open + 1) > MostConnections)
        {
            // Who is refused here is told of no disconnect.
            Leave(keyId);
            throw new HubException(
                $"too_many_connections: {keyId} has {MostConnections} connections, which is as many as it may. Follow several jobs over one."
            );
        }

        // Long polling may go on with another key, which does not leave in the place of the one that came.
        context.Context.Items[typeof(HubDoor)] = keyId;
        await next(context);
    }

    /// <inheritdoc />
    public async Task OnDisconnectedAsync(HubLifetimeContext context, Exception? exception, Func<HubLifetimeContext, Exception?, Task> next)
    {
        if (context.Context.Items.Remove(typeof(HubDoor), out var keyId))
        {
            Leave((string)keyId!);
        }

        await next(context, exception);
    }

    private void Leave(string keyId)
    {
        var left = _open.AddOrUpdate(keyId, 0, static (_, open) => open - 1);
        if (left <= 0)
        {
            // Only if it is still so: another may have come meanwhile.
            _open.TryRemove(KeyValuePair.Create(keyId, left));
        }
    }
}
