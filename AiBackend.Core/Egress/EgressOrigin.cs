using System.Net;

namespace AiBackend.Core.Egress;

/// <summary>Scheme, host and port: what an exception is about.</summary>
internal readonly record struct EgressOrigin(string Scheme, string Host, int Port)
{
    /// <summary>What a host that is an address leads to; <c>localhost</c> counts as one. Null for other names, which say nothing before they are resolved.</summary>
    public AddressKind? LiteralKind =>
        IPAddress.TryParse(Host, out var address) ? AddressKinds.Of(address)
        : EgressNames.IsLocalhost(Host) ? AddressKind.Loopback
        : EgressNames.IsMetadata(Host) ? AddressKind.Never
        : null;

    public static EgressOrigin Of(Uri address) => new(address.Scheme, HostOf(address), address.Port);

    /// <returns>Null when the text is not the origin of a web server.</returns>
    public static EgressOrigin? TryParse(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var address)
        && (address.Scheme == Uri.UriSchemeHttps || address.Scheme == Uri.UriSchemeHttp)
        && address.UserInfo.Length == 0
        && address.PathAndQuery == "/"
        && address.Host.Length > 0
            ? Of(address)
            : null;

    /// <summary>As the connection is told it: without the brackets of an IPv6 address.</summary>
    public static string HostOf(Uri address) => address.IdnHost.ToLowerInvariant();
}
