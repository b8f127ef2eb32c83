using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace AiBackend.Tests.Chaos;

/// <summary>One connection through a <see cref="FaultProxy"/>: two pumps that ask for the fault of the moment before every piece.</summary>
internal sealed class ProxiedConnection(FaultProxy proxy, Socket client, CancellationToken stop)
{
    private const int BufferSize = 64 * 1024;

    private readonly Socket _server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    public async Task RunAsync(IPEndPoint server)
    {
        try
        {
            // A reset may have come before this.
            client.NoDelay = true;
            // A network that swallows everything lets nothing through to the server either; the client sees an open connection.
            await AudibleAsync(Way.Requests);
            await _server.ConnectAsync(server, stop);
            await Task.WhenAll(PumpAsync(client, _server, Way.Requests), PumpAsync(_server, client, Way.Replies));
            client.Dispose();
            _server.Dispose();
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // One side is gone, so the other is told.
            Reset();
        }
    }

    /// <summary>Ends both sides with a reset.</summary>
    public void Reset()
    {
        Reset(client);
        Reset(_server);
    }

    public static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Already closed.
        }

        socket.Dispose();
    }

    /// <summary>Reads at once and writes when it is time, so that a delay is a delay and not a limit of throughput.</summary>
    private async Task PumpAsync(Socket from, Socket to, Way way)
    {
        var line = Channel.CreateBounded<(long ReadAt, byte[] Bytes)>(16);
        var writing = WriteAsync(line, to, way);
        try
        {
            var buffer = new byte[BufferSize];
            int count;
            while ((count = await from.ReceiveAsync(buffer, stop)) > 0)
            {
                await line.Writer.WriteAsync((TimeProvider.System.GetTimestamp(), buffer[..count]), stop);
            }

            line.Writer.TryComplete();
        }
        catch (Exception end)
            when (end is SocketException or ObjectDisposedException or OperationCanceledException or ChannelClosedException)
        {
            line.Writer.TryComplete(end);
        }

        try
        {
            await writing;
            to.Shutdown(SocketShutdown.Send);
        }
        catch
        {
            Reset();
            throw;
        }
    }

    private async Task WriteAsync(Channel<(long ReadAt, byte[] Bytes)> line, Socket to, Way way)
    {
        FaultProxy.Switch? counted = null;
        var passed = 0L;
        try
        {
            await foreach (var (readAt, bytes) in line.Reader.ReadAllAsync(stop))
            {
                for (var at = 0; at < bytes.Length; )
                {
                    await AudibleAsync(way);
                    var now = proxy.Current;
                    var fault = now.Fault;
                    await LateAsync(fault, readAt);
                    // A narrow line gives a little all the time, and not much after a long pause.
                    var most = fault.PieceSize ?? (fault.BytesPerSecond is { } rate ? Math.Max(1, rate / 20) : bytes.Length);
                    var piece = Math.Min(most, bytes.Length - at);
                    if (fault.ResetAfter is { } limit && fault.ResetOn.HasFlag(way))
                    {
                        (passed, counted) = counted == now ? (passed, counted) : (0, now);
                        piece = (int)Math.Min(piece, limit - passed);
                        if (piece <= 0)
                        {
                            proxy.Note();
                            Reset();
                            return;
                        }
                    }

                    if (fault.PieceSize is not null)
                    {
                        proxy.Note();
                    }

                    await to.SendAsync(bytes.AsMemory(at, piece), stop);
                    (at, passed) = (at + piece, passed + piece);
                    await PaceAsync(fault, piece);
                }
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            Reset();
        }
        finally
        {
            // Nobody writes any more, so nobody needs to read.
            line.Writer.TryComplete();
        }
    }

    /// <summary>Waits as long as nothing passes this way.</summary>
    private async Task AudibleAsync(Way way)
    {
        while (proxy.Current is { } now && now.Fault.Silent.HasFlag(way))
        {
            proxy.Note();
            await now.Over.Task.WaitAsync(stop);
        }
    }

    private async Task LateAsync(Fault fault, long readAt)
    {
        var delay = fault.Delay + (fault.Jitter * Random.Shared.NextDouble());
        if (delay > TimeSpan.Zero)
        {
            proxy.Note();
            var left = delay - TimeProvider.System.GetElapsedTime(readAt);
            if (left > TimeSpan.Zero)
            {
                await Task.Delay(left, stop);
            }
        }
    }

    private async Task PaceAsync(Fault fault, int bytes)
    {
        if (fault.BytesPerSecond is { } rate)
        {
            proxy.Note();
            await Task.Delay(TimeSpan.FromSeconds((double)bytes / rate), stop);
        }
    }
}
