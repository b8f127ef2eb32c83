using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace AiBackend.Tests.Api;

/// <summary>HTTP/2 as nobody's client speaks it: streams that are begun and given up at once, by the thousand.</summary>
public sealed class RapidResetTests(RapidResetTests.Http2Api api) : IClassFixture<RapidResetTests.Http2Api>
{
    private const int Streams = 20_000;
    private const byte Headers = 1;

    /// <summary>The flags of a head that ends, and has no body.</summary>
    private const byte Whole = 0x5;

    private const byte Reset = 3;
    private const byte Settings = 4;
    private const byte GoAway = 7;
    private const uint EnhanceYourCalm = 0xB;
    private static readonly byte[] Cancel = [0, 0, 0, 8];

    /// <summary>A GET of /api/v1/jobs with a key, from HPACK's static table where it can be.</summary>
    private byte[] RequestHead =>
        [0x82, 0x86, 0x04, .. Text("/api/v1/jobs"), 0x01, .. Text("127.0.0.1"), 0x0F, 0x08, .. Text("Bearer " + api.Key)];

    [Fact]
    public async Task A_77_whoever_begins_streams_to_give_them_up_is_hung_up_on_and_others_are_served()
    {
        using var handler = new SocketsHttpHandler();
        using var http = new HttpClient(handler)
        {
            BaseAddress = api.Address,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/live", TestRun.Cancel)).StatusCode);
        using var client = new TcpClient();
        await client.ConnectAsync(api.Address.Host, api.Address.Port, TestRun.Cancel);
        await using var stream = client.GetStream();

        await stream.WriteAsync(
            (byte[])[.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0, []), .. Frame(Headers, Whole, 1, RequestHead)],
            TestRun.Cancel
        );
        // One that is not given up is answered: what follows is spoken well.
        Assert.NotNull(await ReadUntilAsync(stream, Headers));

        var told = ReadUntilAsync(stream, GoAway);
        await FloodAsync(stream);
        var reason = await told.WaitAsync(TimeSpan.FromMinutes(1), TestRun.Cancel) is { } payload
            ? BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(4))
            : (uint?)null;

        // Within the minute it was hung up on. Null: before the last word could be read.
        Assert.True(reason is null or EnhanceYourCalm, $"It was left with {reason}.");
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/live", TestRun.Cancel)).StatusCode);
    }

    /// <summary>Until all are begun and given up, or the connection is closed.</summary>
    private async Task FloodAsync(NetworkStream stream)
    {
        var head = RequestHead;
        try
        {
            for (var sent = 0; sent < Streams; sent++)
            {
                var id = (2 * sent) + 3;
                await stream.WriteAsync((byte[])[.. Frame(Headers, Whole, id, head), .. Frame(Reset, 0, id, Cancel)], TestRun.Cancel);
            }
        }
        catch (IOException)
        {
            // Hung up on.
        }
    }

    /// <returns>What the next frame of this kind says; null when the connection ended without one.</returns>
    private static async Task<byte[]?> ReadUntilAsync(NetworkStream stream, byte kind)
    {
        var head = new byte[9];
        try
        {
            while (true)
            {
                await stream.ReadExactlyAsync(head, TestRun.Cancel);
                var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
                await stream.ReadExactlyAsync(payload, TestRun.Cancel);
                if (head[3] == kind)
                {
                    return payload;
                }
            }
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        return frame;
    }

    private static byte[] Text(string text) => [(byte)text.Length, .. System.Text.Encoding.ASCII.GetBytes(text)];

    /// <summary>Without TLS there is HTTP/2 only where it is said; what it does is the same.</summary>
    public sealed class Http2Api(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override void Add(IHostApplicationBuilder builder) =>
            builder.Services.Configure<KestrelServerOptions>(kestrel =>
                kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Protocols = HttpProtocols.Http2)
            );
    }
}
