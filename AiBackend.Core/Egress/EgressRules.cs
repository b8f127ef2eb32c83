using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;

namespace AiBackend.Core.Egress;

/// <summary>Whether a request may go to an address that a tenant named: first by how it is written, then by where it leads.</summary>
public sealed class EgressRules
{
    private const int LongestAddress = 2048;
    private const int OnlyPort = 443;

    private readonly HashSet<EgressOrigin> _allowed;
    private readonly HashSet<string> _ownHosts;
    private readonly bool _loopback;
    private readonly Func<HashSet<IPAddress>> _ownAddresses;

    private EgressRules(
        IEnumerable<EgressOrigin> allowed,
        IEnumerable<string> ownHosts,
        bool loopback,
        Func<HashSet<IPAddress>>? ownAddresses = null
    )
    {
        _ownAddresses = ownAddresses ?? OwnAddresses;
        _allowed = [.. allowed];
        _ownHosts = new(ownHosts, StringComparer.OrdinalIgnoreCase);
        _loopback = loopback;
    }

    /// <summary>Addresses that tenants name.</summary>
    internal static EgressRules OfTenants(
        EgressOptions options,
        IEnumerable<string> ownHosts,
        bool isDevelopment,
        Func<HashSet<IPAddress>>? ownAddresses = null
    ) =>
        new(
            options.Allow.Select(text => EgressOrigin.TryParse(text)).OfType<EgressOrigin>(),
            ownHosts.Concat(options.OwnHosts),
            isDevelopment,
            ownAddresses
        );

    /// <summary>One address that the operator configured, wherever in the operator's network it is, and no other.</summary>
    internal static EgressRules OfOperator(Uri address) => new([EgressOrigin.Of(address)], [], loopback: true);

    /// <summary>Reads an address as it was written.</summary>
    /// <param name="text">What somebody sent.</param>
    /// <param name="address">What to send requests to; only set when nothing is wrong.</param>
    /// <returns>What is wrong, to follow the field's name; null when nothing is. Where the name leads is only seen at each connection.</returns>
    public string? Check(string text, out Uri address)
    {
        address = null!;
        if (text.Length is 0 or > LongestAddress)
        {
            return string.Create(CultureInfo.InvariantCulture, $"has {text.Length} characters; it must have 1 to {LongestAddress}.");
        }

        if (!text.All(character => character is > ' ' and < '\x7f' and not '\\') || !Uri.TryCreate(text, UriKind.Absolute, out var uri))
        {
            return "is not an absolute address in ASCII; write other alphabets in their xn-- form.";
        }

        var fault = Fault(uri);
        address = fault is null ? uri : null!;
        return fault;
    }

    /// <summary>The same for an address that was read before, when it is used: rules may have changed since.</summary>
    internal string? Fault(Uri uri)
    {
        if (uri.UserInfo.Length > 0)
        {
            return "has a user name or password; leave it out.";
        }

        if (_allowed.Contains(EgressOrigin.Of(uri)))
        {
            return null;
        }

        if (uri.Scheme != Uri.UriSchemeHttps)
        {
            return $"has the scheme {uri.Scheme}; only https is allowed, but for addresses that an operator lists in Egress__Allow.";
        }

        if (uri.Port != OnlyPort)
        {
            return string.Create(CultureInfo.InvariantCulture, $"has the port {uri.Port}; only {OnlyPort} is allowed.");
        }

        var host = EgressOrigin.HostOf(uri);
        if (uri.HostNameType != UriHostNameType.Dns || !EgressNames.IsName(host))
        {
            return "does not name its host; write a whole host name such as hooks.example.com, no IP address.";
        }

        return EgressNames.IsInside(host) || _ownHosts.Contains(host)
            ? "names a host inside a network; only hosts on the internet are allowed."
            : null;
    }

    /// <summary>Whether a connection may be made, to whichever of the addresses: one bad address condemns the name.</summary>
    internal bool MayConnect(EgressOrigin origin, IReadOnlyCollection<IPAddress> addresses)
    {
        var isException = _allowed.Contains(origin);
        var own = isException ? [] : _ownAddresses();
        return addresses.Count > 0
            && addresses.All(address =>
                AddressKinds.Of(address) switch
                {
                    AddressKind.Public => !own.Contains(address),
                    AddressKind.Private => isException,
                    AddressKind.Loopback => isException && _loopback,
                    _ => false,
                }
            );
    }

    // Asked each time: addresses of a machine come and go.
    private static HashSet<IPAddress> OwnAddresses() =>
        [
            .. NetworkInterface
                .GetAllNetworkInterfaces()
                .SelectMany(network => network.GetIPProperties().UnicastAddresses)
                .Select(unicast => unicast.Address),
        ];
}
