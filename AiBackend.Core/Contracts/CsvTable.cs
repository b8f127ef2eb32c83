using static System.FormattableString;

namespace AiBackend.Core.Contracts;

/// <summary>Whether a text is a table: rows of fields between commas (RFC 4180), as many in each.</summary>
public static class CsvTable
{
    private const string Fence = "```";

    /// <summary>The text without the fence that models like to put around it.</summary>
    public static string Unfenced(string text)
    {
        var trimmed = text.AsSpan().Trim();
        var firstLine = trimmed.IndexOf('\n');
        return trimmed.StartsWith(Fence) && trimmed.EndsWith(Fence) && firstLine > 0 && firstLine < trimmed.Length - Fence.Length
            ? trimmed[(firstLine + 1)..^Fence.Length].TrimEnd("\r\n").ToString() + "\n"
            : text;
    }

    /// <returns>What is wrong with it, for whoever wrote it; null when it is one.</returns>
    public static string? FindFault(string text)
    {
        var (row, fields, expected, at) = (1, 1, 0, 0);
        if (string.IsNullOrWhiteSpace(text))
        {
            return "It is empty.";
        }

        while (at < text.Length)
        {
            if (text[at] == '"')
            {
                if (EndOfQuoted(text, at) is not { } end)
                {
                    return Invariant($"Row {row} has a quoted field that does not end.");
                }

                at = end;
                if (at < text.Length && text[at] is not (',' or '\r' or '\n'))
                {
                    return Invariant($"Row {row} has text behind a quoted field. Write a quote within one twice.");
                }
            }
            else
            {
                var end = text.AsSpan(at).IndexOfAny(",\r\n");
                at = end < 0 ? text.Length : at + end;
            }

            if (at < text.Length && text[at] == ',')
            {
                fields++;
                at++;
                // A field that is empty ends where it begins.
                if (at < text.Length)
                {
                    continue;
                }
            }

            expected = expected == 0 ? fields : expected;
            if (fields != expected)
            {
                return Invariant($"Row {row} has {fields} fields, and the first row has {expected}.");
            }

            at += text.AsSpan(at).StartsWith("\r\n") ? 2 : 1;
            (row, fields) = (row + 1, 1);
        }

        return null;
    }

    /// <returns>The place behind it; null when it does not end.</returns>
    private static int? EndOfQuoted(string text, int start)
    {
        for (var at = start + 1; ; at += 2)
        {
            at = text.IndexOf('"', at);
            if (at < 0)
            {
                return null;
            }

            if (at + 1 == text.Length || text[at + 1] != '"')
            {
                return at + 1;
            }

            // Two are one that belongs to the field: the loop goes on behind both.
        }
    }
}
