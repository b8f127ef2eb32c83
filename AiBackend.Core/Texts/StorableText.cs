using System.Buffers;
using System.Text;

namespace AiBackend.Core.Texts;

/// <summary>What Postgres can store of a text, whoever wrote it: U+0000 it cannot, and half of a surrogate pair is no character.</summary>
public static class StorableText
{
    private const char Replacement = '\uFFFD';

    /// <summary>The text with U+FFFD in place of what cannot be stored.</summary>
    public static string Of(string text)
    {
        text = HasHalves(text) ? Whole(text) : text;
        return text.Contains('\0', StringComparison.Ordinal) ? text.Replace('\0', Replacement) : text;
    }

    /// <summary>As much of the text as can be stored and shown: an ellipsis takes the place of what is too long.</summary>
    /// <param name="text">The text.</param>
    /// <param name="most">Characters that are kept.</param>
    public static string Of(string text, int most)
    {
        if (text.Length > most)
        {
            most -= char.IsHighSurrogate(text[most - 1]) ? 1 : 0;
            text = string.Concat(text.AsSpan(0, most), "…");
        }

        return Of(text);
    }

    /// <summary>Whether there is half of a surrogate pair in it.</summary>
    internal static bool HasHalves(string text) => text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') >= 0 && !IsWhole(text);

    private static bool IsWhole(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out _, out var length) != OperationStatus.Done)
            {
                return false;
            }

            text = text[length..];
        }

        return true;
    }

    private static string Whole(string text)
    {
        var whole = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            whole.Append(rune);
        }

        return whole.ToString();
    }
}
