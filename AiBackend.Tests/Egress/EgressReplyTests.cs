using System.IO.Compression;
using System.Net.Sockets;
using AiBackend.Core.Egress;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Egress;

/// <summary>A-35: what the other side may make us read.</summary>
[Collection(AloneCollection.Name)]
public sealed class EgressReplyTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\n";

    [Fact]
    public async Task A_35_an_answer_is_read_as_far_as_wanted_and_a_longer_one_is_cut()
    {
        Assert.Equal(
            (EgressErrors.TooLarge, true),
            await CutAsync(
                async (stream, stop) =>
                {
                    await TcpTarget.WriteAsync(stream, Ok + "Content-Length: 1073741824\r\n\r\n", stop);
                    var chunk = new byte[64 * 1024];
                    for (var sent = 0L; sent < 1L << 30; sent += chunk.Length)
                    {
                        await stream.WriteAsync(chunk, stop);
                    }
                }
            )
        );
        Assert.Equal("200 65536", await AskAsync(Ok + $"Content-Length: 65536\r\n\r\n{new string('x', 65536)}"));
        Assert.Equal(EgressErrors.TooLarge, await AskAsync(Ok + $"Content-Length: 65537\r\n\r\n{new string('x', 65537)}"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task A_35_a_bomb_is_measured_by_what_comes_out_of_it(string encoding)
    {
        var bomb = Compress(encoding, 64 * 1024 * 1024);
        Assert.InRange(bomb.Length, 1, 200 * 1024);

        var cut = await CutAsync(
            async (stream, stop) =>
            {
                await TcpTarget.WriteAsync(stream, Ok + $"Content-Encoding: {encoding}\r\nContent-Length: {bomb.Length}\r\n\r\n", stop);
                await stream.WriteAsync(bomb, stop);
            }
        );

        Assert.Equal((EgressErrors.TooLarge, true), cut);
    }

    [Fact]
    public async Task A_35_headers_without_an_end_are_cut()
    {
        var cut = await CutAsync(
            async (stream, stop) =>
            {
                await TcpTarget.WriteAsync(stream, Ok, stop);
                while (true)
                {
                    await TcpTarget.WriteAsync(stream, $"X-Header: {new string('x', 1000)}\r\n", stop);
                }
            }
        );

        Assert.True(cut.IsSmall);
        Assert.Contains(cut.Word, new[] { EgressErrors.TooLarge, EgressErrors.Unreachable });
    }

    [Theory]
    [InlineData("x")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")]
    public async Task A_35_drops_and_floods_end_with_the_patience(string again)
    {
        var clock = new FakeTime();
        var begun = new TaskCompletionSource();
        await using var target = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                await TcpTarget.WriteAsync(stream, again == "x" ? Ok + "Content-Length: 1000000\r\n\r\n" : "", stop);
                for (var i = 0; ; i++)
                {
                    await TcpTarget.WriteAsync(stream, again, stop);
                    if (i == 50)
                    {
                        begun.TrySetResult();
                    }

                    await Task.Delay(again == "x" ? TimeSpan.FromMilliseconds(1) : TimeSpan.Zero, TimeProvider.System, stop);
                }
            }
        );
        using var client = Client(target, clock);

        var before = GC.GetTotalMemory(forceFullCollection: true);
        var sent = client.GetAsync($"http://hook.test:{target.Port}/");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, TestRun.Cancel);
        clock.Advance(EgressClient.Patience);

        Assert.Equal(EgressErrors.Timeout, (await sent).Word());
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 5 * 1024 * 1024);
    }

    [Fact]
    public async Task A_body_that_nobody_wants_is_not_read()
    {
        Assert.Equal(
            ("200", true),
            await CutAsync(
                async (stream, stop) =>
                {
                    await TcpTarget.WriteAsync(stream, Ok + "Content-Length: 1073741824\r\n\r\n", stop);
                    var chunk = new byte[64 * 1024];
                    while (true)
                    {
                        await stream.WriteAsync(chunk, stop);
                    }
                },
                most: 0
            )
        );
    }

    [Fact]
    public async Task Nothing_of_ours_goes_along_with_a_request()
    {
        var head = new TaskCompletionSource<string>();
        await using var target = new TcpTarget(
            async (stream, stop) =>
            {
                var buffer = new byte[16 * 1024];
                head.TrySetResult(System.Text.Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, stop)));
                await TcpTarget.WriteAsync(stream, Ok + "Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", stop);
            }
        );
        using var client = Client(target);
        using var activity = new System.Diagnostics.Activity("ours").SetIdFormat(System.Diagnostics.ActivityIdFormat.W3C).Start();

        Assert.Equal("200", (await client.GetAsync($"http://hook.test:{target.Port}/")).Word());

        var names = (await head.Task).Split("\r\n").Skip(1).Where(line => line.Length > 0).Select(line => line.Split(':')[0]);
        Assert.Equal(["Accept-Encoding", "Host"], names.Order(StringComparer.Ordinal));
    }

    private static EgressClient Client(TcpTarget target, TimeProvider? clock = null) =>
        Guarded.Client(new KnownHosts().Add("hook.test", "127.0.0.1"), [$"http://hook.test:{target.Port}"], isDevelopment: true, clock);

    private static async Task<string> AskAsync(string answer)
    {
        await using var target = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                await TcpTarget.WriteAsync(stream, answer, stop);
            }
        );
        using var client = Client(target);
        var got = await client.GetAsync($"http://hook.test:{target.Port}/");
        return got is EgressAnswer.Answered { Body.Length: var length } ? $"{got.Word()} {length}" : got.Word();
    }

    /// <returns>The word, and whether it cost no more than 5 MB.</returns>
    private static async Task<(string Word, bool IsSmall)> CutAsync(
        Func<NetworkStream, CancellationToken, Task> answer,
        int most = EgressClient.MostBytes
    )
    {
        await using var target = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                await answer(stream, stop);
            }
        );
        using var client = Client(target);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var word = (await client.GetAsync($"http://hook.test:{target.Port}/", most)).Word();
        return (word, GC.GetTotalMemory(forceFullCollection: true) - before < 5 * 1024 * 1024);
    }

    private static byte[] Compress(string encoding, int length)
    {
        using var packed = new MemoryStream();
        using (
            Stream packer = encoding switch
            {
                "gzip" => new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true),
                "br" => new BrotliStream(packed, CompressionLevel.Optimal, leaveOpen: true),
                _ => new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true),
            }
        )
        {
            var zeros = new byte[1024 * 1024];
            for (var written = 0; written < length; written += zeros.Length)
            {
                packer.Write(zeros);
            }
        }

        return packed.ToArray();
    }
}
