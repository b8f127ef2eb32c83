using System.Globalization;

namespace AiBackend.Api.Problems;

/// <summary>Values of callers in texts for callers.</summary>
internal static class Quoted
{
    private const int MaxLength = 80;

    /// <summary>The value in quotes, shortened, on one line.</summary>
    public static string Of(string value)
    {
        var text = value.Length > MaxLength ? string.Concat(value.AsSpan(0, MaxLength), "…") : value;
        return $"\"{string.Create(text.Length, text, Neutralise)}\"";
    }

    private static void Neutralise(Span<char> target, string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var category = char.GetUnicodeCategory(text[i]);
            // Control characters, direction overrides and halves of a cut pair have no business in a log line or a page.
            var harmless =
                category
                    is not (
                        UnicodeCategory.Control
                        or UnicodeCategory.Format
                        or UnicodeCategory.LineSeparator
                        or UnicodeCategory.ParagraphSeparator
                    )
                && !(char.IsSurrogate(text[i]) && !IsPaired(text, i));
            target[i] = harmless ? text[i] : '\uFFFD';
        }
    }

    private static bool IsPaired(string text, int at) =>
        char.IsHighSurrogate(text[at])
            ? at + 1 < text.Length && char.IsLowSurrogate(text[at + 1])
            : at > 0 && char.IsHighSurrogate(text[at - 1]);
}
