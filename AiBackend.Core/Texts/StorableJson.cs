using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using static System.FormattableString;

namespace AiBackend.Core.Texts;

/// <summary>JSON of strangers. Its syntax allows what can be neither stored, compared nor sent on: that is refused before anybody meets it.</summary>
/// <remarks>What is accepted here lets no member of <see cref="JsonElement"/> throw, and can be cast to <c>jsonb</c>.</remarks>
public static class StorableJson
{
    /// <summary>Characters of a number: a decimal has 28 digits, and a double written in full seldom needs more.</summary>
    public const int LongestNumber = 100;

    /// <summary>The largest exponent of a number, up or down: that of a double.</summary>
    public const int LargestExponent = 308;

    /// <summary>Parses a text that may be JSON.</summary>
    /// <returns>Null when it is none, or cannot be stored.</returns>
    public static JsonElement? Find(string text)
    {
        try
        {
            return Parse(text, default, out _);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Parses JSON.</summary>
    /// <param name="text">The JSON.</param>
    /// <param name="options">What else is allowed.</param>
    /// <param name="fault">Why it cannot be stored, as a sentence without a full stop; null when it can.</param>
    /// <returns>Null when it cannot be stored.</returns>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static JsonElement? Parse(string text, JsonDocumentOptions options, out string? fault)
    {
        var json = Encoding.UTF8.GetBytes(text);
        // First: the parser meets names that are none with an exception of its own.
        fault = FaultOf(json, options);
        if (fault is not null)
        {
            return null;
        }

        using var document = JsonDocument.Parse(json, options);
        return document.RootElement.Clone();
    }

    /// <returns>Why the JSON cannot be stored, as a sentence without a full stop; null when it can.</returns>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static string? FaultOf(ReadOnlySpan<byte> json, JsonDocumentOptions options)
    {
        var reader = new Utf8JsonReader(
            json,
            new JsonReaderOptions
            {
                AllowTrailingCommas = options.AllowTrailingCommas,
                CommentHandling = options.CommentHandling,
                MaxDepth = options.MaxDepth,
            }
        );
        string? fault = null;
        // To the end, so that what is no JSON is never taken for what is.
        while (reader.Read())
        {
            fault ??= reader.TokenType switch
            {
                JsonTokenType.String or JsonTokenType.PropertyName => FaultOfText(ref reader),
                JsonTokenType.Number => FaultOfNumber(ref reader),
                _ => null,
            };
        }

        return fault;
    }

    private static string? FaultOfText(ref Utf8JsonReader reader)
    {
        // Both come as escapes alone: JSON has no bare control characters, and UTF-8 no halves.
        if (!reader.ValueIsEscaped)
        {
            return null;
        }

        try
        {
            return reader.GetString()!.Contains('\0', StringComparison.Ordinal)
                ? "it has the character U+0000, which cannot be stored; leave it out"
                : null;
        }
        catch (InvalidOperationException)
        {
            return "it has half of a surrogate pair, such as \\ud83d alone, which stands for no character; write whole characters";
        }
    }

    private static string? FaultOfNumber(ref Utf8JsonReader reader)
    {
        var number = reader.ValueSpan;
        if (number.Length > LongestNumber)
        {
            return Invariant($"it has a number of {number.Length} characters; at most {LongestNumber} are allowed");
        }

        var e = number.IndexOfAny((byte)'e', (byte)'E');
        return reader.TryGetDouble(out var value) && double.IsFinite(value) && (e < 0 || IsSmall(number[(e + 1)..]))
            ? null
            : Invariant(
                $"it has the number {Encoding.ASCII.GetString(number)}, which is too large or too small; exponents go from -{LargestExponent} to {LargestExponent}"
            );
    }

    private static bool IsSmall(ReadOnlySpan<byte> exponent) =>
        Utf8Parser.TryParse(exponent, out int value, out var length)
        && length == exponent.Length
        && value is >= -LargestExponent and <= LargestExponent;
}
