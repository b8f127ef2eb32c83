using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace AiBackend.LocalHost.Supervision;

/// <summary>
/// Finds ports below the range the kernel takes outgoing connections' ports from, so that a port chosen now is not taken by a
/// stray connection before its server listens, nor while the server restarts.
/// </summary>
internal static class FreePorts
{
    private const int First = 15_000;
    private const int DefaultFirstEphemeral = 32_768;
    private const string EphemeralRangeFile = "/proc/sys/net/ipv4/ip_local_port_range";

    private static readonly HashSet<int> Taken = [];
    private static readonly Lock TakenLock = new();

    public static int Take()
    {
        var end = FirstEphemeral();
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            var port = RandomNumberGenerator.GetInt32(First, end);
            lock (TakenLock)
            {
                if (IsFree(port) && Taken.Add(port))
                {
                    return port;
                }
            }
        }

        throw new InvalidOperationException(
            string.Create(CultureInfo.InvariantCulture, $"No free port was found between {First} and {end}.")
        );
    }

    public static bool IsFree(int port) =>
        CanListen(IPAddress.Loopback, port) && (!Socket.OSSupportsIPv6 || CanListen(IPAddress.IPv6Loopback, port));

    private static bool CanListen(IPAddress address, int port)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException e)
        {
            // A machine may know IPv6 and have no address of it; that says nothing about the port.
            return e.SocketErrorCode == SocketError.AddressNotAvailable;
        }
    }

    private static int FirstEphemeral()
    {
        if (!File.Exists(EphemeralRangeFile))
        {
            return DefaultFirstEphemeral;
        }

        var first = File.ReadAllText(EphemeralRangeFile).Split(['\t', ' '], StringSplitOptions.RemoveEmptyEntries)[0];
        return Math.Max(int.Parse(first, CultureInfo.InvariantCulture), First + 5_000);
    }
}
