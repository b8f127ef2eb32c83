using System.Net;
using System.Net.Sockets;

namespace AiBackend.Tests.Fixtures;

/// <summary>A loopback port nobody listens on now. Another process may take it first: whoever uses it must be ready to ask again.</summary>
/// <remarks>None of those that the system gives to connections (32768 and above): one of the hundreds that tests open would have it soon.</remarks>
internal static class FreePort
{
    // Above the one that browsers refuse, 10080.
    private const int First = 11_000;

    // Below those that the local host gives to its resources, which listen there some time later.
    private const int Count = 4_000;

    private static int _last = Random.Shared.Next(Count);

    public static int Next()
    {
        while (true)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _last) % Count);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it: the next one.
            }
        }
    }
}
