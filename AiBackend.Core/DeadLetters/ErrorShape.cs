using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace AiBackend.Core.DeadLetters;

/// <summary>What errors of the same cause have in common.</summary>
/// <param name="Fingerprint">16 hexadecimal digits: the same for the same class, code and <paramref name="Text"/>.</param>
/// <param name="Text">The message with numbers, ids, times, addresses and quoted values replaced.</param>
internal readonly partial record struct ErrorShape(string Fingerprint, string Text)
{
    // Part of every fingerprint: a change of the rules below makes new groups, and must say so by a new number.
    private const string Rules = "1";
    private const int FingerprintBytes = 8;

    // Messages are sentences of ours; what is longer was put together from somebody else's text.
    private const int MaxLength = 500;

    // The first alternative that fits wins, so the more special ones come first. An apostrophe inside a word opens no quote.
    private const string Differing = """
        (?<url>[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s"'<>]+)
        | (?<time>\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)? | \b\d\d?:\d\d(?::\d\d(?:\.\d+)?)?\b)
        | (?<id>\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b
            | \b(?=[0-9A-Za-z_-]*\d)(?=[0-9A-Za-z_-]*[A-Za-z])[0-9A-Za-z]+(?:[_-][0-9A-Za-z]+)*\b)
        | (?<text>"[^"\r\n]*" | (?<!\w)'[^'\r\n]*'(?!\w) | `[^`\r\n]*` | “[^”\r\n]*”)
        | (?<n>\d+(?:[.,]\d+)*)
        """;

    /// <param name="errorClass">The error's class.</param>
    /// <param name="code">Its code.</param>
    /// <param name="message">Its message.</param>
    public static ErrorShape Of(string errorClass, string code, string message)
    {
        var text = TextOf(message);
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', Rules, errorClass, code, text)));
        return new ErrorShape(Convert.ToHexStringLower(hash.AsSpan(0, FingerprintBytes)), text);
    }

    /// <summary>A shape for people, who need not know that something was replaced, only that it differs.</summary>
    public static string ForPeople(string shape) => Placeholder().Replace(shape, "…");

    private static string TextOf(string message)
    {
        var bounded = message.Length > MaxLength * 2 ? message[..(MaxLength * 2)] : message;
        var shape = Blank().Replace(Varying().Replace(bounded, match => PlaceholderOf(match)), " ").Trim();
        return shape.Length > MaxLength ? shape[..MaxLength] : shape;
    }

    private static string PlaceholderOf(Match match)
    {
        foreach (var name in (ReadOnlySpan<string>)["url", "time", "id", "text"])
        {
            if (match.Groups[name].Success)
            {
                return $"<{name}>";
            }
        }

        return "<n>";
    }

    [GeneratedRegex(Differing, RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Varying();

    [GeneratedRegex("<(url|time|id|text|n)>", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"\s+", RegexOptions.None, 1000)]
    private static partial Regex Blank();
}
