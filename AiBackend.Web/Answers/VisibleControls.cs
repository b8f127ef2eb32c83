using System.Globalization;
using System.Text;

namespace AiBackend.Web.Answers;

/// <summary>Makes characters that steer the display visible, so that text cannot pretend to be other text.</summary>
internal static class VisibleControls
{
    /// <summary>Replaces them in the text of <paramref name="html"/>, never inside a tag.</summary>
    public static string InHtml(string html)
    {
        if (!html.AsSpan().ContainsAny(Steering))
        {
            return html;
        }

        var shown = new StringBuilder(html.Length + 64);
        var insideTag = false;
        for (var at = 0; at < html.Length; at++)
        {
            var character = html[at];
            insideTag = character switch
            {
                '<' => true,
                '>' => false,
                _ => insideTag,
            };
            if (!Steering.Contains(character))
            {
                shown.Append(character);
            }
            else if (!insideTag)
            {
                Show(
                    shown,
                    at + 1 < html.Length && char.IsSurrogatePair(character, html[at + 1])
                        ? char.ConvertToUtf32(character, html[++at])
                        : character
                );
            }
        }

        return shown.ToString();
    }

    private static void Show(StringBuilder shown, int codePoint)
    {
        if (codePoint < 0x20)
        {
            // The pictures of the control characters follow the same order.
            shown.Append((char)(0x2400 + codePoint));
            return;
        }

        shown.Append("<span class=\"control\">U+").Append(codePoint.ToString("X4", CultureInfo.InvariantCulture)).Append("</span>");
    }

    /// <summary>Controls, direction marks and overrides, invisible separators, and the lead of the invisible tag characters.</summary>
    private static readonly System.Buffers.SearchValues<char> Steering = System.Buffers.SearchValues.Create([
        .. Range('\u0001', '\u0008'),
        '\u000B',
        '\u000C',
        .. Range('\u000E', '\u001F'),
        '\u007F',
        .. Range('\u0080', '\u009F'),
        '\u061C',
        '\u200B',
        '\u200E',
        '\u200F',
        '\u2028',
        '\u2029',
        .. Range('\u202A', '\u202E'),
        .. Range('\u2060', '\u206F'),
        '\uFEFF',
        .. Range('\uFFF9', '\uFFFB'),
        '\uDB40',
    ]);

    private static IEnumerable<char> Range(char from, char to) => Enumerable.Range(from, to - from + 1).Select(code => (char)code);
}
