using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Text;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>A circuit without a browser: what it sends is what a test says, byte for byte.</summary>
internal sealed partial class RawCircuit : IDisposable
{
    private const string Call = "7";
    private static readonly byte[] Handshake = Encoding.ASCII.GetBytes("{\"protocol\":\"blazorpack\",\"version\":1}\u001e");
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly ClientWebSocket _socket = new();
    private readonly Uri _site;

    private RawCircuit(Uri site) => _site = site;

    /// <summary>All messages, in their order.</summary>
    public List<byte[]> Sent { get; } = [];

    /// <summary>What a browser keeps to come back; empty while there is none.</summary>
    public string Id { get; private set; } = "";

    /// <returns>A connection; null when there are too many.</returns>
    public static async Task<RawCircuit?> TryOpenAsync(Uri site)
    {
        var circuit = new RawCircuit(site);
        circuit._socket.Options.SetRequestHeader("Origin", site.GetLeftPart(UriPartial.Authority));
        try
        {
            await circuit._socket.ConnectAsync(new UriBuilder(site) { Scheme = "ws", Path = "/_blazor" }.Uri, TestRun.Cancel);
        }
        catch (WebSocketException refused) when (refused.Message.Contains("429", StringComparison.Ordinal))
        {
            circuit.Dispose();
            return null;
        }

        await circuit._socket.SendAsync(Handshake, WebSocketMessageType.Text, endOfMessage: true, TestRun.Cancel);
        Assert.Equal("{}\u001e", await circuit.HearAsync("{}"));
        return circuit;
    }

    /// <summary>Opens a page, and has it live.</summary>
    public static async Task<RawCircuit> OfPageAsync(SiteProcess site, string page)
    {
        var html = await site.Http.GetStringAsync(page, TestRun.Cancel);
        var circuit = (await TryOpenAsync(site.Address))!;
        await circuit.StartAsync();
        await circuit.SendAsync(null, "UpdateRootComponents", Operations(html), StateOf().Match(html).Groups["state"].Value);
        await circuit.HearAsync("JS.RenderBatch");
        return circuit;
    }

    /// <summary>Begins the circuit itself.</summary>
    public async Task StartAsync()
    {
        await SendAsync(Call, "StartCircuit", _site.ToString(), new Uri(_site, "/ask").ToString(), "[]", "");
        var told = await HearAsync("CfDJ8");
        Id = CircuitId().Match(told).Value;
    }

    /// <summary>Sends a call of the hub.</summary>
    /// <param name="id">With which it is answered; null when nobody waits for it.</param>
    /// <param name="method">Its name.</param>
    /// <param name="arguments">Texts, numbers, whether or not, and null.</param>
    public Task SendAsync(string? id, string method, params object?[] arguments)
    {
        List<byte> message = [0x95, 0x01, 0x80, .. Packed(id), .. Packed(method), (byte)(0x90 | arguments.Length)];
        message.AddRange(arguments.SelectMany(Packed));
        return SendAsync(Framed([.. message]));
    }

    public async Task SendAsync(byte[] message)
    {
        Sent.Add(message);
        try
        {
            await _socket.SendAsync(message, WebSocketMessageType.Binary, endOfMessage: true, TestRun.Cancel);
        }
        catch (WebSocketException)
        {
            // It is over; whoever listens is told.
        }
    }

    /// <summary>Whether the server ends it: by saying that it failed, or without a word.</summary>
    public async Task<bool> EndsAsync() =>
        await HearAsync("JS.Error") is var told && (told.Length == 0 || told.Contains("JS.Error", StringComparison.Ordinal));

    /// <summary>Listens until one of these words comes.</summary>
    /// <returns>The message that has it; empty when the connection ends first.</returns>
    public async Task<string> HearAsync(params string[] words)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(Patience);
        var buffer = new byte[64 * 1024];
        var told = new StringBuilder();
        try
        {
            while (true)
            {
                var read = await _socket.ReceiveAsync(buffer.AsMemory(), patience.Token);
                if (read.MessageType is WebSocketMessageType.Close)
                {
                    return "";
                }

                told.Append(Encoding.Latin1.GetString(buffer, 0, read.Count));
                if (!read.EndOfMessage)
                {
                    continue;
                }

                var text = told.ToString();
                if (words.Any(word => text.Contains(word, StringComparison.Ordinal)))
                {
                    return text;
                }

                told.Clear();
            }
        }
        catch (WebSocketException)
        {
            return "";
        }
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>That everything live of a page is to be.</summary>
    private static string Operations(string html)
    {
        var added = Marker()
            .Matches(html)
            .Select((match, n) => $$"""{"type":"add","ssrComponentId":{{n + 1}},"marker":{{match.Groups["marker"].Value}}}""");
        return $$"""{"batchId":1,"operations":[{{string.Join(',', added)}}]}""";
    }

    private static byte[] Packed(object? value)
    {
        switch (value)
        {
            case null:
                return [0xC0];
            case bool flag:
                return [flag ? (byte)0xC3 : (byte)0xC2];
            case long number:
                var bytes = new byte[9];
                bytes[0] = 0xD3;
                BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(1), number);
                return bytes;
            default:
                var text = Encoding.UTF8.GetBytes((string)value);
                var head = new byte[5];
                head[0] = 0xDB;
                BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), text.Length);
                return [.. head, .. text];
        }
    }

    /// <summary>As the protocol wants it: the length in groups of seven bits, then the message.</summary>
    private static byte[] Framed(byte[] message)
    {
        List<byte> framed = [];
        var length = message.Length;
        do
        {
            framed.Add((byte)((length & 0x7F) | (length > 0x7F ? 0x80 : 0)));
            length >>= 7;
        } while (length > 0);

        return [.. framed, .. message];
    }

    [GeneratedRegex("<!--Blazor:(?<marker>\\{[^>]*\"descriptor\"[^>]*\\})-->", RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Marker();

    [GeneratedRegex("<!--Blazor-Server-Component-State:(?<state>[^>]+)-->", RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex StateOf();

    [GeneratedRegex("CfDJ8[-_0-9A-Za-z]+", RegexOptions.None, 60_000)]
    private static partial Regex CircuitId();
}
