using System.Net.WebSockets;
using System.Text;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Connections to <c>/hubs/jobs</c>: from where, how many, how much, and for how long.</summary>
public sealed class HubDoorTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Greeting = "{\"protocol\":\"json\",\"version\":1}\u001e";

    [Theory]
    [InlineData("https://evil.example", false)]
    [InlineData("null", false)]
    [InlineData("http://127.0.0.1", false)]
    [InlineData(null, true)]
    [InlineData("own", true)]
    public async Task D_6_A_21_no_page_of_another_origin_connects(string? origin, bool mayConnect)
    {
        var connecting = ConnectAsync(api.Key, origin == "own" ? api.Address.GetLeftPart(UriPartial.Authority) : origin);

        if (mayConnect)
        {
            using var socket = await connecting;
            Assert.Equal("{}\u001e", await ReadAsync(socket));
        }
        else
        {
            var refused = await Assert.ThrowsAsync<WebSocketException>(() => connecting);
            Assert.Contains("403", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task D_6_a_key_has_twenty_connections_and_another_when_one_is_closed()
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read");
        var open = new List<ClientWebSocket>();
        for (var i = 0; i < HubDoor.MostConnections; i++)
        {
            open.Add(await ConnectAsync(key));
            Assert.Equal("{}\u001e", await ReadAsync(open[^1]));
        }

        using var over = await ConnectAsync(key);
        var isRefused = await IsClosedAsync(over, TimeSpan.FromSeconds(30));
        await open[0].CloseAsync(WebSocketCloseStatus.NormalClosure, null, TestRun.Cancel);

        Assert.True(isRefused);
        await Eventually.TrueAsync(
            async _ =>
            {
                using var again = await ConnectAsync(key);
                await ReadAsync(again);
                await again.SendAsync("{\"type\":6}\u001e"u8.ToArray(), WebSocketMessageType.Text, true, TestRun.Cancel);
                return !await IsClosedAsync(again);
            },
            "a place is free"
        );
        open.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task D_6_a_message_over_32_kilobytes_ends_the_connection()
    {
        using var socket = await ConnectAsync(api.Key);
        await ReadAsync(socket);

        await socket.SendAsync(
            new byte[33 * 1024]
                .Select(_ => (byte)' ')
                .ToArray(),
            WebSocketMessageType.Text,
            true,
            TestRun.Cancel
        );

        Assert.True(await IsClosedAsync(socket, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task D_6_a_connection_ends_with_its_key()
    {
        using var socket = await Eventually.GetAsync(
            async _ =>
            {
                // Another one where the machine takes longer to connect than the first one lives.
                var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read");
                await using var shorten = api.Db.Source.CreateCommand(
                    "UPDATE api_keys SET expires_at = now() + interval '3 s' WHERE key_id = $1"
                );
                shorten.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
                await shorten.ExecuteNonQueryAsync(TestRun.Cancel);
                var connected = await ConnectAsync(key);
                return await ReadAsync(connected) is "{}\u001e" ? connected : null;
            },
            connected => connected is not null,
            "the key connects"
        );

        Assert.True(await IsClosedAsync(socket!, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task D_6_A_14_a_connection_whose_key_was_revoked_or_may_read_no_jobs_from_there_reads_nothing_more()
    {
        using var submit = await api.PostAsync(ApiServer.Chat);
        var job = submit.Headers.Location!.ToString().Split('/')[^1];
        string[] changes = ["revoked_at = now()", "scopes = '{jobs:write}'", "allowed_networks = '{10.0.0.0/8}'"];

        await Task.WhenAll(changes.Select(change => ReadsNothingMoreAsync(change, job)));
    }

    private async Task ReadsNothingMoreAsync(string change, string job)
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read");
        using var socket = await ConnectAsync(key);
        await ReadAsync(socket);
#pragma warning disable CA2100 // Constants of this file.
        await using var revoke = api.Db.Source.CreateCommand($"UPDATE api_keys SET {change} WHERE key_id = $1");
#pragma warning restore CA2100
        revoke.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        await revoke.ExecuteNonQueryAsync(TestRun.Cancel);
        using var client = api.Client(key);
        await Eventually.TrueAsync(
            async token => !(await client.GetAsync("/api/v1/jobs", token)).IsSuccessStatusCode,
            "the key reads no jobs",
            TimeSpan.FromSeconds(15)
        );

        var watch = $$"""{"type":4,"invocationId":"1","target":"Watch","arguments":["{{job}}",0]}""" + '\u001e';
        var told = new StringBuilder();
        try
        {
            await socket.SendAsync(Encoding.UTF8.GetBytes(watch), WebSocketMessageType.Text, true, TestRun.Cancel);
            while (socket.State == WebSocketState.Open && !told.ToString().Contains("\"type\":2", StringComparison.Ordinal))
            {
                told.Append(await ReadAsync(socket).WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel));
            }
        }
        catch (WebSocketException)
        {
            // Cut off, perhaps before it has asked.
        }

        Assert.DoesNotContain("\"type\":2", told.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_6_who_guesses_ids_here_is_throttled_as_at_every_address()
    {
        var most = new AttemptOptions().UnknownObjectsPerMinute;
        using var socket = await ConnectAsync(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read"));
        await ReadAsync(socket);
        var told = "";

        // A minute that ends on the way begins anew.
        for (var guess = 0; guess < 3 * most && !told.Contains("too_many_attempts: ", StringComparison.Ordinal); guess++)
        {
            var watch = $$"""{"type":4,"invocationId":"{{guess}}","target":"Watch","arguments":["{{Guid.CreateVersion7()}}",0]}""";
            await socket.SendAsync(Encoding.UTF8.GetBytes(watch + '\u001e'), WebSocketMessageType.Text, true, TestRun.Cancel);
            do
            {
                told = await ReadAsync(socket);
            } while (!told.Contains("\"type\":3", StringComparison.Ordinal));

            Assert.True(guess >= most || told.Contains("job_not_found: ", StringComparison.Ordinal), told);
        }

        Assert.Contains("too_many_attempts: ", told, StringComparison.Ordinal);
    }

    private async Task<ClientWebSocket> ConnectAsync(string key, string? origin = null)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", "Bearer " + key);
        if (origin is not null)
        {
            socket.Options.SetRequestHeader("Origin", origin);
        }

        await socket.ConnectAsync(new UriBuilder(api.Address) { Scheme = "ws", Path = HubDoor.Address }.Uri, TestRun.Cancel);
        await socket.SendAsync(Encoding.UTF8.GetBytes(Greeting), WebSocketMessageType.Text, true, TestRun.Cancel);
        return socket;
    }

    private static async Task<string> ReadAsync(ClientWebSocket socket)
    {
        var buffer = new byte[16 * 1024];
        var read = await socket.ReceiveAsync(buffer, TestRun.Cancel);
        return Encoding.UTF8.GetString(buffer, 0, read.Count);
    }

    /// <summary>Whether the server ends it; what it says meanwhile does not matter.</summary>
    private static async Task<bool> IsClosedAsync(ClientWebSocket socket, TimeSpan? within = null)
    {
        using var timeUp = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        timeUp.CancelAfter(within ?? TimeSpan.FromSeconds(1));
        var buffer = new byte[16 * 1024];
        try
        {
            while (true)
            {
                var read = await socket.ReceiveAsync(buffer, timeUp.Token);
                if (
                    read.MessageType == WebSocketMessageType.Close
                    || Encoding.UTF8.GetString(buffer, 0, read.Count).Contains("\"type\":7", StringComparison.Ordinal)
                )
                {
                    return true;
                }
            }
        }
        catch (WebSocketException)
        {
            return true;
        }
        catch (OperationCanceledException) when (!TestRun.Cancel.IsCancellationRequested)
        {
            return false;
        }
    }
}
