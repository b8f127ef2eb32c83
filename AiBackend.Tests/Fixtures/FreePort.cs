using System.Net;
using System.Net.Sockets;

namespace AiBackend.Tests.Fixtures;

/// <summary>A loopback port nobody listens on now. Another process may take it first: whoever uses it must be ready to ask again.</summary>
internal static class FreePort
{
    public static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
