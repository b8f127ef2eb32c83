using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Shell;

namespace AiBackend.Tests.Web;

/// <summary>Who opens a circuit without a page of ours, and what they send over it.</summary>
public sealed class HijackTests(SiteAlone alone) : IClassFixture<SiteAlone>
{
    private const int Many = 300;

    private static readonly byte[] Handshake = Encoding.ASCII.GetBytes("{\"protocol\":\"blazorpack\",\"version\":1}\u001e");

    private readonly SiteProcess _site = alone.Site;

    [Theory]
    [InlineData("https://evil.example")]
    [InlineData("http://127.0.0.1:1")]
    [InlineData("http://127.0.0.1.evil.example")]
    [InlineData("http://evil.example:{0}")]
    [InlineData("null")]
    public async Task A_21_a_page_of_another_site_opens_no_circuit(string site)
    {
        var origin = string.Format(System.Globalization.CultureInfo.InvariantCulture, site, _site.Address.Port);
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", origin);
        socket.Options.CollectHttpResponseDetails = true;
        using var negotiation = new HttpRequestMessage(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1");
        negotiation.Headers.Add("Origin", origin);

        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(Circuit, TestRun.Cancel));
        using var negotiated = await _site.Http.SendAsync(negotiation, TestRun.Cancel);

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (socket.HttpStatusCode, negotiated.StatusCode));
    }

    [Fact]
    public async Task A_21_a_page_of_this_site_does()
    {
        using var socket = await OpenAsync();

        Assert.Equal(WebSocketState.Open, socket.State);
    }

    [Theory]
    [InlineData("large")]
    [InlineData("noise")]
    [InlineData("unknown method")]
    [InlineData("call without a circuit")]
    public async Task A_22_what_no_page_sends_ends_its_connection_and_nothing_else(string what)
    {
        using var socket = await OpenAsync();
        using var other = await OpenAsync();
        var message = what switch
        {
            "large" => new byte[10 * 1024 * 1024],
            // 0xC1 begins nothing in MessagePack. Bytes that are all by chance begin, once in thirty, a message of a kind
            // that nobody knows, which is passed over.
            "noise" => Framed([0xC1, .. RandomNumberGenerator.GetBytes(499)]),
            // A method that does not exist, without an id to answer to, is passed over: what follows it ends the connection.
            "unknown method" => [.. Framed([0x95, 0x01, 0x80, 0xC0, .. Text("DeleteEverything"), 0x90]), .. CallWithoutCircuit],
            _ => CallWithoutCircuit,
        };

        var isOver = await SendAsync(socket, message);

        Assert.True(isOver, "The connection was left open.");
        Assert.Equal(WebSocketState.Open, other.State);
        using var page = await _site.Http.GetAsync("/ask", TestRun.Cancel);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
    }

    [Fact]
    public async Task A_22_a_reader_has_so_many_circuits_and_another_when_one_is_closed_and_the_site_is_well()
    {
        var most = new CircuitOptions().PerReader;
        // Those of other tests, which were closed, may still be leaving.
        await Eventually.TrueAsync(
            async _ =>
            {
                var opening = Enumerable.Range(0, Many).Select(_ => TryOpenAsync()).ToList();
                try
                {
                    var sockets = await Task.WhenAll(opening);
                    using var page = await _site.Http.GetAsync("/ask", TestRun.Cancel);
                    Assert.Equal(HttpStatusCode.OK, page.StatusCode);
                    var open = sockets.Count(socket => socket is not null);
                    Assert.InRange(open, 1, most);
                    return open == most;
                }
                finally
                {
                    // Also where one of them was not opened: they would take the room of those that come next.
                    foreach (var socket in opening.Where(each => each.IsCompletedSuccessfully))
                    {
                        (await socket)?.Dispose();
                    }
                }
            },
            "a reader has as many as it may",
            TimeSpan.FromSeconds(30)
        );
        await Eventually.TrueAsync(
            async _ =>
            {
                using var again = await TryOpenAsync();
                return again is not null;
            },
            "there is room again"
        );
    }

    [Theory]
    [InlineData("same-origin", false)]
    [InlineData("cross-site", true)]
    public async Task A_21_a_page_that_is_closed_says_goodbye_to_its_circuit_and_no_other_site_does(string site, bool isRefused)
    {
        // As browsers send a beacon of a page that tells nobody where it is.
        using var goodbye = new HttpRequestMessage(HttpMethod.Post, "/_blazor/disconnect")
        {
            Content = new FormUrlEncodedContent([new("circuitId", "x")]),
        };
        goodbye.Headers.Add("Origin", "null");
        goodbye.Headers.Add("Sec-Fetch-Site", site);

        using var answer = await _site.Http.SendAsync(goodbye, TestRun.Cancel);

        Assert.Equal(isRefused, answer.StatusCode is HttpStatusCode.Forbidden);
    }

    [Theory]
    [InlineData("same-origin", false)]
    [InlineData("same-site", true)]
    [InlineData("cross-site", true)]
    public async Task A_20_A_21_what_a_browser_says_comes_from_another_site_is_refused_though_its_origin_is_not_told(
        string site,
        bool isRefused
    )
    {
        using var negotiation = new HttpRequestMessage(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1");
        negotiation.Headers.Add("Sec-Fetch-Site", site);

        using var negotiated = await _site.Http.SendAsync(negotiation, TestRun.Cancel);

        Assert.Equal(isRefused, negotiated.StatusCode is HttpStatusCode.Forbidden);
    }

    private static byte[] CallWithoutCircuit =>
        Framed([
            0x95,
            0x01,
            0x80,
            0xC0,
            .. Text("BeginInvokeDotNetFromJS"),
            0x95,
            .. Text("1"),
            .. Text("AiBackend.Web"),
            .. Text("Nope"),
            0x00,
            .. Text("[]"),
        ]);

    private Uri Circuit => new UriBuilder(_site.Address) { Scheme = "ws", Path = "/_blazor" }.Uri;

    private async Task<ClientWebSocket> OpenAsync()
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", _site.Address.GetLeftPart(UriPartial.Authority));
        await socket.ConnectAsync(Circuit, TestRun.Cancel);
        await socket.SendAsync(Handshake, WebSocketMessageType.Text, endOfMessage: true, TestRun.Cancel);
        var answer = new byte[16];
        var read = await socket.ReceiveAsync(answer.AsMemory(), TestRun.Cancel);
        Assert.Equal("{}\u001e", Encoding.ASCII.GetString(answer, 0, read.Count));
        return socket;
    }

    /// <returns>Null when there are too many.</returns>
    private async Task<ClientWebSocket?> TryOpenAsync()
    {
        try
        {
            return await OpenAsync();
        }
        catch (WebSocketException refused) when (refused.Message.Contains("429", StringComparison.Ordinal))
        {
            return null;
        }
    }

    /// <returns>Whether the server ended the connection.</returns>
    private static async Task<bool> SendAsync(ClientWebSocket socket, byte[] message)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromMinutes(1));
        var buffer = new byte[4096];
        try
        {
            await socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, patience.Token);
            while (true)
            {
                var read = await socket.ReceiveAsync(buffer.AsMemory(), patience.Token);
                if (read.MessageType is WebSocketMessageType.Close || Says(buffer.AsSpan(0, read.Count), "JS.Error"))
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

    private static bool Says(ReadOnlySpan<byte> message, string word) => message.IndexOf(Encoding.ASCII.GetBytes(word)) >= 0;

    /// <summary>As the protocol wants it: the length in groups of seven bits, then the message.</summary>
    private static byte[] Framed(byte[] message) =>
        message.Length < 128
            ? [(byte)message.Length, .. message]
            : [(byte)(message.Length | 0x80), (byte)(message.Length >> 7), .. message];

    private static byte[] Text(string text) => [(byte)(0xA0 | text.Length), .. Encoding.ASCII.GetBytes(text)];
}
