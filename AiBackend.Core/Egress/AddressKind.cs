using System.Net;
using System.Net.Sockets;

namespace AiBackend.Core.Egress;

/// <summary>What lies behind an address.</summary>
internal enum AddressKind
{
    /// <summary>Anybody's on the internet.</summary>
    Public,

    /// <summary>Somebody's own network: RFC 1918, shared (CGNAT) and unique local addresses.</summary>
    Private,

    /// <summary>This machine.</summary>
    Loopback,

    /// <summary>Nothing that a request is ever meant for: cloud metadata, multicast, test nets, addresses that stand for others.</summary>
    Never,
}

/// <summary>Tells addresses apart. What is in no list is refused: of IPv6 only global unicast is public.</summary>
internal static class AddressKinds
{
    private static readonly IPNetwork[] Loopbacks = Networks("127.0.0.0/8", "::1/128");

    private static readonly IPNetwork[] Privates = Networks(
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10", // shared by providers (CGNAT)
        "fc00::/7"
    );

    private static readonly IPNetwork[] Nevers = Networks(
        "0.0.0.0/8", // "this network"; 0.0.0.0 reaches this machine
        "169.254.0.0/16", // link-local: cloud metadata
        "192.0.0.0/24",
        "192.0.2.0/24", // documentation
        "192.88.99.0/24", // relays of 6to4
        "198.18.0.0/15", // benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4", // multicast
        "240.0.0.0/4", // reserved and broadcast
        "fd00:ec2::/32", // cloud metadata, inside unique local
        "2001::/23", // Teredo, benchmarks, ORCHID: stand for other addresses or for none
        "2001:db8::/32",
        "2002::/16", // 6to4: an IPv4 address inside
        "3fff::/20"
    );

    // All else of IPv6 is mapped (::ffff:0:0/96), translated (64:ff9b::/96), link-local, multicast or not given to anybody.
    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    public static AddressKind Of(IPAddress address)
    {
        // To a network an address of IPv4 is the same in either spelling, and nobody has a reason to send the longer one.
        if (address.IsIPv4MappedToIPv6 || Nevers.Any(network => network.Contains(address)))
        {
            return AddressKind.Never;
        }

        if (Loopbacks.Any(network => network.Contains(address)))
        {
            return AddressKind.Loopback;
        }

        if (Privates.Any(network => network.Contains(address)))
        {
            return AddressKind.Private;
        }

        return address.AddressFamily == AddressFamily.InterNetwork || GlobalUnicast.Contains(address)
            ? AddressKind.Public
            : AddressKind.Never;
    }

    private static IPNetwork[] Networks(params string[] texts) => [.. texts.Select(text => IPNetwork.Parse(text))];
}
