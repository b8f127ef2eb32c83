using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace AiBackend.LocalHost.Servers;

/// <summary>
/// Asks a server whether it takes connections, as <c>pg_isready</c> does: by a startup message without a password. A server that
/// answers with an authentication request is ready; one that is starting up or recovering answers with an error.
/// </summary>
internal static class PostgresProbe
{
    private const int ProtocolVersion = 3 << 16;
    private const byte AuthenticationRequest = (byte)'R';

    public static async Task<bool> IsReadyAsync(string host, int port, string user, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(host, port, cancellationToken);
        await using var stream = client.GetStream();
        await stream.WriteAsync(StartupMessage(user), cancellationToken);
        var answer = new byte[1];
        await stream.ReadExactlyAsync(answer, cancellationToken);
        return answer[0] == AuthenticationRequest;
    }

    private static byte[] StartupMessage(string user)
    {
        var parameters = Encoding.ASCII.GetBytes($"user\0{user}\0database\0postgres\0\0");
        var message = new byte[8 + parameters.Length];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length);
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(4), ProtocolVersion);
        parameters.CopyTo(message, 8);
        return message;
    }
}
