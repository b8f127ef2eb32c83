using System.Net;
using System.Net.Sockets;
using System.Text;

namespace AiBackend.Tests.Egress;

/// <summary>A listener on this machine that counts who connects, and does with each connection what a test says.</summary>
internal sealed class TcpTarget : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<NetworkStream, CancellationToken, Task> _serve;
    private readonly Task _loop;
    private int _connections;

    /// <param name="serve">Null answers every request with 204.</param>
    public TcpTarget(Func<NetworkStream, CancellationToken, Task>? serve = null)
    {
        _serve =
            serve
            ?? (
                async (stream, stop) =>
                {
                    await ReadHeadAsync(stream, stop);
                    await WriteAsync(stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", stop);
                }
            );
        _listener.Start();
        _loop = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public int Connections => Volatile.Read(ref _connections);

    public static async Task ReadHeadAsync(Stream stream, CancellationToken stop)
    {
        var buffer = new byte[64 * 1024];
        var length = 0;
        while (!Encoding.ASCII.GetString(buffer, 0, length).Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), stop);
            length += read > 0 ? read : throw new IOException("The other side has left.");
        }
    }

    public static async Task WriteAsync(Stream stream, string text, CancellationToken stop) =>
        await stream.WriteAsync(Encoding.ASCII.GetBytes(text), stop);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _loop;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var served = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                Interlocked.Increment(ref _connections);
                served.Add(ServeAsync(client));
            }
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // The test is over.
        }

        await Task.WhenAll(served);
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            await _serve(client.GetStream(), _stop.Token);
        }
        catch (Exception end)
            when (end is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            // The other side has left, or the test is over.
        }
    }
}
