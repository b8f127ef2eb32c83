using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace AiBackend.Simulator.Chat;

/// <summary>The words of an answer, cut into tokens and escaped for JSON once, so that streaming only copies bytes.</summary>
internal sealed class Answer
{
    /// <summary>Text without spaces is cut too: a stream of one endless token shows nothing.</summary>
    private const int LongestToken = 24;

    private readonly string[] _tokens;
    private readonly byte[][] _escaped;

    public Answer(string text)
        : this([.. Split(text)]) { }

    private Answer(string[] tokens)
    {
        _tokens = tokens;
        // Readable UTF-8 as providers send it, not \u escapes.
        _escaped =
        [
            .. tokens.Select(token =>
                JsonEncodedText.Encode(token, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes.ToArray()
            ),
        ];
    }

    public int Count => _tokens.Length;

    /// <summary>The token at <paramref name="index"/>; past the end the words repeat.</summary>
    public ReadOnlySpan<byte> Escaped(int index) => _escaped[index % _escaped.Length];

    public string Text(int tokens)
    {
        var text = new StringBuilder();
        for (var i = 0; i < tokens; i++)
        {
            text.Append(_tokens[i % _tokens.Length]);
        }

        return text.ToString();
    }

    /// <summary><c>word1 word2 … wordN</c>, one token each.</summary>
    public static Answer OfWords(int count) =>
        new([.. Enumerable.Range(1, count).Select(i => FormattableString.Invariant($"word{i}{(i == count ? "" : " ")}"))]);

    private static IEnumerable<string> Split(string text)
    {
        if (text.Length == 0)
        {
            yield return "";
        }

        for (var start = 0; start < text.Length; )
        {
            var end = start + 1;
            while (end < text.Length && !StartsToken(text, start, end))
            {
                end++;
            }

            yield return text[start..end];
            start = end;
        }
    }

    private static bool StartsToken(string text, int start, int at) =>
        (char.IsWhiteSpace(text[at - 1]) && !char.IsWhiteSpace(text[at])) || (at - start >= LongestToken && !char.IsLowSurrogate(text[at]));
}
