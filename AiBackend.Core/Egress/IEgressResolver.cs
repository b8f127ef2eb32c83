using System.Net;

namespace AiBackend.Core.Egress;

/// <summary>Asks for the addresses of a host.</summary>
public interface IEgressResolver
{
    /// <exception cref="System.Net.Sockets.SocketException">There are none, or nobody answers.</exception>
    Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken);
}

/// <summary>As the machine is set up to.</summary>
internal sealed class SystemResolver : IEgressResolver
{
    public Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) =>
        Dns.GetHostAddressesAsync(host, cancellationToken);
}
