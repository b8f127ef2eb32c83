using System.Security.Claims;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Core.Tenancy;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.SignalR;

namespace AiBackend.Tests.Api;

/// <summary>Who leaves is who came, also when the transport went on with another key.</summary>
public sealed class HubPlacesTests
{
    [Fact]
    public async Task D_6_a_connection_that_goes_on_with_another_key_gives_back_the_place_of_the_first()
    {
        var door = new HubDoor();
        var connections = new List<Connection>();
        for (var i = 0; i < HubDoor.MostConnections; i++)
        {
            connections.Add(await ComeAsync(door, "first"));
        }

        connections[0].Now = "second";
        await door.OnDisconnectedAsync(LifetimeOf(connections[0]), null, (_, _) => Task.CompletedTask);
        await ComeAsync(door, "first");

        await Assert.ThrowsAsync<HubException>(() => ComeAsync(door, "first"));
        for (var i = 0; i < HubDoor.MostConnections; i++)
        {
            await ComeAsync(door, "second");
        }

        await Assert.ThrowsAsync<HubException>(() => ComeAsync(door, "second"));
    }

    private static async Task<Connection> ComeAsync(HubDoor door, string key)
    {
        var connection = new Connection { Now = key };
        await door.OnConnectedAsync(LifetimeOf(connection), _ => Task.CompletedTask);
        return connection;
    }

    private static HubLifetimeContext LifetimeOf(Connection connection) => new(connection, null!, new NoHub());

    private sealed class NoHub : Hub;

    /// <summary>As the framework shows a connection; its user is whoever sent the latest request.</summary>
    private sealed class Connection : HubCallerContext
    {
        public string Now { get; set; } = "";

        public override string ConnectionId => "c";

        public override string? UserIdentifier => null;

        public override ClaimsPrincipal User => new(new CallerIdentity(new Caller(Guid.Empty, Now, [], "standard", null)));

        public override IDictionary<object, object?> Items { get; } = new Dictionary<object, object?>();

        public override IFeatureCollection Features { get; } = new FeatureCollection();

        public override CancellationToken ConnectionAborted => CancellationToken.None;

        public override void Abort() { }
    }
}
