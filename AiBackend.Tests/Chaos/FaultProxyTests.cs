using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>The proxy does to a connection what its setting says, and stops doing it when told.</summary>
public sealed class FaultProxyTests : IAsyncLifetime
{
    private readonly TcpListener _echo = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private Task _serving = Task.CompletedTask;
    private FaultProxy _proxy = null!;

    public ValueTask InitializeAsync()
    {
        _echo.Start();
        _serving = ServeAsync();
        _proxy = FaultProxy.Before(((IPEndPoint)_echo.LocalEndpoint).Port);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Without_a_fault_bytes_pass_as_they_are_and_an_end_is_an_end()
    {
        using var client = await ConnectAsync();
        var bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);

        var sending = client.SendAsync(bytes, TestRun.Cancel).AsTask();
        var echoed = await ReceiveAsync(client, bytes.Length);
        await sending;
        client.Shutdown(SocketShutdown.Send);

        Assert.Equal(bytes, echoed);
        Assert.Equal(0, await client.ReceiveAsync(new byte[1], TestRun.Cancel));
        Assert.Equal((1, 0L), (_proxy.Accepted, _proxy.Reached));
    }

    [Fact]
    public async Task A_delay_is_paid_once_for_bytes_that_are_sent_together()
    {
        using var client = await ConnectAsync();
        await EchoAsync(client, "warm");
        _proxy.Fault = new Fault { Delay = TimeSpan.FromMilliseconds(150), Jitter = TimeSpan.FromMilliseconds(50) };

        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 15; i++)
        {
            await client.SendAsync(new byte[] { (byte)i }, TestRun.Cancel);
            await Task.Yield();
        }

        await ReceiveAsync(client, 15);

        // Both ways; one after the other it would be fifteen times as much. What is between is for a machine that stands still.
        Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(300), TimeSpan.FromSeconds(4.4));
        Assert.True(_proxy.Reached > 0);
    }

    [Fact]
    public async Task A_narrow_line_takes_its_time()
    {
        using var client = await ConnectAsync();
        await EchoAsync(client, "warm");
        _proxy.Fault = new Fault { BytesPerSecond = 10_000 };

        var watch = Stopwatch.StartNew();
        await client.SendAsync(new byte[5_000], TestRun.Cancel);
        await ReceiveAsync(client, 5_000);

        // Half a second, less what passes at once at the begin.
        Assert.True(watch.Elapsed >= TimeSpan.FromMilliseconds(400), $"It took {watch.Elapsed}.");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task A_connection_is_reset_after_as_many_bytes_as_were_asked_for(int bytes)
    {
        using var client = await ConnectAsync();
        await EchoAsync(client, "these do not count");
        _proxy.Fault = new Fault { ResetAfter = bytes };

        await client.SendAsync("abcdef"u8.ToArray(), TestRun.Cancel);

        // What had passed may be thrown away by the reset itself.
        await Assert.ThrowsAsync<SocketException>(() => ReceiveAsync(client, 6));
        Assert.Equal(1, _proxy.Reached);
    }

    [Fact]
    public async Task A_reset_on_the_way_to_the_server_lets_the_server_see_only_what_passed()
    {
        using var client = await ConnectAsync();
        _proxy.Fault = new Fault { ResetAfter = 0, ResetOn = Way.Requests };

        await client.SendAsync("abcdef"u8.ToArray(), TestRun.Cancel);

        await Assert.ThrowsAsync<SocketException>(() => ReceiveAsync(client, 1));
    }

    [Fact]
    public async Task A_blackhole_swallows_old_and_new_connections_and_gives_everything_back_when_it_ends()
    {
        using var old = await ConnectAsync();
        await EchoAsync(old, "warm");
        _proxy.Fault = Fault.Blackhole;

        using var fresh = await ConnectAsync();
        await old.SendAsync("old"u8.ToArray(), TestRun.Cancel);
        await fresh.SendAsync("new"u8.ToArray(), TestRun.Cancel);
        var (fromOld, fromFresh) = (ReceiveAsync(old, 3), ReceiveAsync(fresh, 3));
        await Eventually.TrueAsync(() => _proxy.Reached >= 2, "both are held");
        Assert.False(fromOld.IsCompleted || fromFresh.IsCompleted);
        _proxy.Fault = Fault.None;

        Assert.Equal("old"u8.ToArray(), await fromOld);
        Assert.Equal("new"u8.ToArray(), await fromFresh);
    }

    [Fact]
    public async Task A_server_that_is_heard_no_more_still_hears()
    {
        using var client = await ConnectAsync();
        _proxy.Fault = new Fault { Silent = Way.Replies };

        await client.SendAsync("abc"u8.ToArray(), TestRun.Cancel);
        var answer = ReceiveAsync(client, 3);
        await Eventually.TrueAsync(() => _proxy.Reached >= 1, "the reply is held");
        Assert.False(answer.IsCompleted);
        _proxy.Fault = Fault.None;

        Assert.Equal("abc"u8.ToArray(), await answer);
    }

    [Fact]
    public async Task Bytes_can_pass_one_by_one()
    {
        using var client = await ConnectAsync();
        _proxy.Fault = new Fault { PieceSize = 1 };

        Assert.Equal("abcdef", await EchoAsync(client, "abcdef"));
        Assert.Equal(12, _proxy.Reached);
    }

    [Fact]
    public async Task Connections_can_be_cut_and_refused_and_taken_again()
    {
        using var client = await ConnectAsync();
        await EchoAsync(client, "warm");

        _proxy.Fault = new Fault { RefusesNew = true };
        _proxy.ResetAll();

        await Assert.ThrowsAsync<SocketException>(() => ReceiveAsync(client, 1));
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            using var refused = await ConnectAsync();
            await ReceiveAsync(refused, 1);
        });
        _proxy.Fault = Fault.None;
        using var taken = await ConnectAsync();
        Assert.Equal("again", await EchoAsync(taken, "again"));
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _stop.CancelAsync();
        await _serving;
        _echo.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                _ = EchoAsync(await _echo.AcceptSocketAsync(_stop.Token));
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private static async Task EchoAsync(Socket socket)
    {
        try
        {
            var buffer = new byte[1024];
            int count;
            while ((count = await socket.ReceiveAsync(buffer, CancellationToken.None)) > 0)
            {
                await socket.SendAsync(buffer.AsMemory(0, count), CancellationToken.None);
            }
        }
        catch (SocketException)
        {
            // Reset by the proxy.
        }

        socket.Dispose();
    }

    private async Task<Socket> ConnectAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, _proxy.Port, TestRun.Cancel);
        return client;
    }

    private static async Task<string> EchoAsync(Socket client, string text)
    {
        await client.SendAsync(System.Text.Encoding.ASCII.GetBytes(text), TestRun.Cancel);
        return System.Text.Encoding.ASCII.GetString(await ReceiveAsync(client, text.Length));
    }

    private static async Task<byte[]> ReceiveAsync(Socket client, int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count; )
        {
            var read = await client.ReceiveAsync(bytes.AsMemory(at), TestRun.Cancel);
            Assert.True(read > 0, "The connection ended early.");
            at += read;
        }

        return bytes;
    }
}
