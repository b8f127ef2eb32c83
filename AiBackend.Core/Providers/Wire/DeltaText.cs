using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Providers.Wire;

/// <summary>Turns the text of one event after another into strings that can be stored.</summary>
/// <remarks>
/// Some servers cut a letter outside the basic plane into two escapes and send them in two events; the halves are joined
/// here. U+0000 becomes U+FFFD, because Postgres can store no text that has it.
/// </remarks>
internal sealed class DeltaText
{
    private const char Replacement = '\uFFFD';

    private char? _highHalf;

    /// <summary>The string the reader stands on.</summary>
    /// <exception cref="JsonException">Its bytes are not UTF-8.</exception>
    public string Read(ref Utf8JsonReader reader)
    {
        var text = Decode(ref reader);
        if (_highHalf is null && !StorableText.HasHalves(text))
        {
            return StorableText.Of(text);
        }

        if (_highHalf is { } high && text.Length > 0)
        {
            _highHalf = null;
            text = high + text;
        }

        if (text.Length > 0 && char.IsHighSurrogate(text[^1]))
        {
            _highHalf = text[^1];
            text = text[..^1];
        }

        return StorableText.Of(text);
    }

    /// <summary>What a half letter at the very end becomes; otherwise empty.</summary>
    public string TakeRest()
    {
        var rest = _highHalf is null ? "" : Replacement.ToString();
        _highHalf = null;
        return rest;
    }

    /// <summary>A string that is complete in itself, such as a name.</summary>
    /// <exception cref="JsonException">Its bytes are not UTF-8.</exception>
    public static string Readable(ref Utf8JsonReader reader) => StorableText.Of(Decode(ref reader));

    private static string Decode(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException problem)
        {
            // GetString refuses both broken UTF-8 and lone halves; only the first is beyond reading.
            return Utf8.IsValid(reader.ValueSpan)
                ? Unescape(Encoding.UTF8.GetString(reader.ValueSpan))
                : throw new JsonException("A text is not valid UTF-8.", problem);
        }
    }

    /// <summary>Undoes JSON's escapes and lets lone halves be. The reader has already checked the syntax.</summary>
    private static string Unescape(string escaped)
    {
        var text = new StringBuilder(escaped.Length);
        for (var i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] != '\\')
            {
                text.Append(escaped[i]);
                continue;
            }

            i++;
            if (escaped[i] == 'u')
            {
                text.Append((char)Convert.ToUInt16(escaped.Substring(i + 1, 4), 16));
                i += 4;
            }
            else
            {
                text.Append(
                    escaped[i] switch
                    {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\b',
                        'f' => '\f',
                        var itself => itself,
                    }
                );
            }
        }

        return text.ToString();
    }
}
