namespace AiBackend.Core.Egress;

/// <summary>Hosts that are refused by name, before anybody is asked for their addresses.</summary>
internal static class EgressNames
{
    private const int LongestName = 253;
    private const int LongestLabel = 63;

    private static readonly string[] Inside = [".localhost", ".local", ".localdomain", ".internal", ".home.arpa"];

    public static bool IsLocalhost(string host) => host is "localhost" || host.EndsWith(".localhost", StringComparison.Ordinal);

    public static bool IsMetadata(string host) => host is "metadata" or "metadata.google.internal" or "instance-data";

    /// <summary>Whether names of this kind exist inside networks only.</summary>
    public static bool IsInside(string host) =>
        IsMetadata(host) || Array.Exists(Inside, end => host.EndsWith(end, StringComparison.Ordinal));

    /// <summary>Letters, digits and hyphens in at least two labels, of which the last is no number in any spelling.</summary>
    public static bool IsName(string host)
    {
        var labels = host.Split('.');
        return host.Length <= LongestName && labels.Length > 1 && Array.TrueForAll(labels, IsLabel) && !IsNumber(labels[^1]);
    }

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= LongestLabel
        && label.All(character => char.IsAsciiLetterLower(character) || char.IsAsciiDigit(character) || character is '-' or '_');

    // "https://1.2.3.0x4" is an address to some parsers.
    private static bool IsNumber(string label) => char.IsAsciiDigit(label[0]);
}
