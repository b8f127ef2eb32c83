using System.Buffers.Text;
using System.Net.Sockets;
using System.Text;

namespace AiBackend.Bench.Load;

/// <summary>One keep-alive HTTP/1.1 connection that does as little as possible: the generator shares the cores with what it measures.</summary>
internal sealed class RawConnection : IDisposable
{
    private static readonly byte[] HeadersEnd = "\r\n\r\n"u8.ToArray();
    private static readonly byte[] ContentLength = "Content-Length: "u8.ToArray();

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _filled;

    /// <summary>To wait for answers on many connections at once.</summary>
    public Socket Socket => _socket;

    public static async Task<RawConnection> OpenAsync(Uri address, CancellationToken cancellationToken)
    {
        var connection = new RawConnection();
        await connection._socket.ConnectAsync(address.Host, address.Port, cancellationToken);
        return connection;
    }

    /// <summary>
    /// Connects for <see cref="Send"/> and <see cref="TryReceive"/>: one asynchronous call would make the runtime watch the socket
    /// for ever after, and wake a thread for every answer.
    /// </summary>
    public void Connect(Uri address) => _socket.Connect(address.Host, address.Port);

    /// <summary>Sends a prepared request and reads the whole answer.</summary>
    /// <returns>The status code, and the body as it lies in the buffer until the next call.</returns>
    public async ValueTask<(int Status, ReadOnlyMemory<byte> Body)> SendAsync(
        ReadOnlyMemory<byte> request,
        CancellationToken cancellationToken
    )
    {
        await _socket.SendAsync(request, SocketFlags.None, cancellationToken);
        _filled = 0;
        while (true)
        {
            if (Take(await _socket.ReceiveAsync(_buffer.AsMemory(_filled), SocketFlags.None, cancellationToken)) is { } answer)
            {
                return answer;
            }
        }
    }

    /// <summary>Sends a prepared request; the answer is read by <see cref="TryReceive"/>.</summary>
    public void Send(ReadOnlySpan<byte> request)
    {
        _filled = 0;
        _socket.Send(request);
    }

    /// <summary>Reads what has arrived; call it when the socket is readable.</summary>
    /// <returns>The whole answer, or null when more of it is to come.</returns>
    public (int Status, ReadOnlyMemory<byte> Body)? TryReceive() => Take(_socket.Receive(_buffer.AsSpan(_filled)));

    public void Dispose() => _socket.Dispose();

    private (int Status, ReadOnlyMemory<byte> Body)? Take(int read)
    {
        if (read == 0)
        {
            throw new IOException("The server closed the connection: " + Encoding.ASCII.GetString(_buffer, 0, _filled));
        }

        _filled += read;
        return TryParse(_buffer.AsSpan(0, _filled), out var status, out var bodyStart, out var length) && _filled >= bodyStart + length
            ? (status, _buffer.AsMemory(bodyStart, length))
            : null;
    }

    private static bool TryParse(ReadOnlySpan<byte> answer, out int status, out int bodyStart, out int length)
    {
        (status, bodyStart, length) = (0, 0, 0);
        var headersEnd = answer.IndexOf(HeadersEnd);
        if (headersEnd < 0)
        {
            return false;
        }

        bodyStart = headersEnd + HeadersEnd.Length;
        var at = answer.IndexOf(ContentLength);
        if (at < 0 || at > headersEnd)
        {
            throw new IOException("An answer without Content-Length: " + Encoding.ASCII.GetString(answer));
        }

        return Utf8Parser.TryParse(answer[9..12], out status, out int _)
            && Utf8Parser.TryParse(answer[(at + ContentLength.Length)..], out length, out int _);
    }
}
