using System.Net;
using System.Net.Sockets;

namespace AiBackend.Core.Egress;

/// <summary>Makes connections: asks once for a host's addresses, checks them all, and connects to what was checked and to nothing else.</summary>
/// <remarks>A check before the request would not do: who answers for the name may give another address to the next who asks.</remarks>
internal sealed class EgressDial(EgressRules rules, IEgressResolver resolver)
{
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var endpoint = context.DnsEndPoint;
        var scheme = context.InitialRequestMessage.RequestUri?.Scheme ?? "";
        var addresses = await ResolveAsync(endpoint.Host, cancellationToken);
        if (!rules.MayConnect(new EgressOrigin(scheme, endpoint.Host.ToLowerInvariant(), endpoint.Port), addresses))
        {
            throw new EgressRefusedException("The address may not be connected to.");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, endpoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var literal))
        {
            return [literal];
        }

        try
        {
            return await resolver.ResolveAsync(host, cancellationToken);
        }
        catch (SocketException)
        {
            // Whether there is such a name inside our network is nobody's business: no address is the same as a wrong one.
            return [];
        }
    }
}

/// <summary>The rules let no connection be made.</summary>
internal sealed class EgressRefusedException(string message) : Exception(message);
