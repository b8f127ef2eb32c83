using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Formats of texts that a schema may ask for. They are asserted: a contract means what it says.</summary>
internal static class TextFormats
{
    private static readonly Dictionary<string, Func<string, bool>> All = new(StringComparer.Ordinal)
    {
        ["date"] = text => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
        ["time"] = IsTime,
        ["date-time"] = IsMoment,
        ["email"] = IsEmail,
        ["hostname"] = text => text.Length <= 253 && Uri.CheckHostName(text) == UriHostNameType.Dns,
        ["ipv4"] = text => text.Count(letter => letter == '.') == 3 && IsAddress(text, AddressFamily.InterNetwork),
        ["ipv6"] = text => !text.AsSpan().ContainsAny('%', '[', '/') && IsAddress(text, AddressFamily.InterNetworkV6),
        ["uri"] = text =>
            Uri.TryCreate(text, UriKind.Absolute, out var address)
            && text.StartsWith(address.Scheme + ":", StringComparison.OrdinalIgnoreCase),
        ["uuid"] = text => Guid.TryParseExact(text, "D", out _),
    };

    private static readonly System.Buffers.SearchValues<char> NotInAddresses = System.Buffers.SearchValues.Create(" \t\r\n<>,;");

    /// <summary>Their names.</summary>
    public static IEnumerable<string> Names => All.Keys;

    /// <summary>Whether a schema may ask for it.</summary>
    public static bool Knows(string format) => All.ContainsKey(format);

    public static bool Fits(string format, string text) => All[format](text);

    private static bool IsTime(string text) => IsMoment("2000-01-01T" + text);

    /// <summary>As RFC 3339 says, which wants a zone.</summary>
    private static bool IsMoment(string text) =>
        text.Length >= 20
        && text[10] is 'T' or 't'
        && (text[^1] is 'Z' or 'z' || (text[^6] is '+' or '-' && text[^3] == ':'))
        && DateTimeOffset.TryParse(text.ToUpperInvariant(), CultureInfo.InvariantCulture, DateTimeStyles.None, out _);

    private static bool IsEmail(string text)
    {
        var at = text.LastIndexOf('@');
        return at is > 0 and <= 64
            && at < text.Length - 1
            && !text.AsSpan().ContainsAny(NotInAddresses)
            && text.IndexOf('@', StringComparison.Ordinal) == at
            && Uri.CheckHostName(text[(at + 1)..]) != UriHostNameType.Unknown;
    }

    private static bool IsAddress(string text, AddressFamily family) =>
        IPAddress.TryParse(text, out var address) && address.AddressFamily == family;
}
