using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Says what is wrong with a body that was refused: the first fault in document order, with its place.</summary>
/// <remarks>The members and their types come from the same source-generated contracts that read the body, so the two cannot drift.</remarks>
internal static class BodyDiagnosis
{
    private static readonly JsonTypeInfo Request = WireJson.Default.SubmitJobRequest;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>The fault in a body that could not be read.</summary>
    public static Refusal Explain(ReadOnlySpan<byte> body) =>
        Find(body) ?? ProblemTypes.InvalidJson.With("The body could not be read. Compare it with the example at /problems/invalid-json.");

    /// <returns>The first fault of a submit, or null when there is none.</returns>
    public static Refusal? Find(ReadOnlySpan<byte> body) => Find(body, Request, null);

    /// <param name="body">The body.</param>
    /// <param name="root">Its contract.</param>
    /// <param name="input">Contract of its member <c>input</c>; null lets the member <c>type</c> decide.</param>
    /// <returns>The first fault, or null when there is none.</returns>
    public static Refusal? Find(ReadOnlySpan<byte> body, JsonTypeInfo root, JsonTypeInfo? input)
    {
        if (body.IsEmpty)
        {
            return ProblemTypes.InvalidJson.With("The body is empty. Send a JSON object.");
        }

        if (body.StartsWith(ByteOrderMark))
        {
            return ProblemTypes.InvalidJson.With("The body begins with a byte order mark (EF BB BF). Send UTF-8 without it.");
        }

        if (!Utf8.IsValid(body))
        {
            return ProblemTypes.InvalidUtf8.With(
                $"The byte at position {FirstInvalidByte(body)} (counted from 0) is not valid UTF-8. Encode the body as UTF-8."
            );
        }

        try
        {
            return new BodyWalk(root, input ?? InputOf(TryPeekType(body))).Run(body);
        }
        catch (JsonException broken)
        {
            return ProblemTypes.InvalidJson.With(Describe(body, broken));
        }
    }

    private static string? TryPeekType(ReadOnlySpan<byte> body)
    {
        try
        {
            return PeekType(body);
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair on the way, which the walk will meet too and can name.
            return null;
        }
    }

    /// <returns>The contract of the input of a type; null when nobody knows the type.</returns>
    public static JsonTypeInfo? InputOf(string? type) =>
        type switch
        {
            "chat" => WireJson.Default.ChatInput,
            "noop" => WireJson.Default.NoopInput,
            _ => null,
        };

    /// <summary>The value of the outermost <c>type</c>, wherever it stands; null when there is none.</summary>
    private static string? PeekType(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, BodyWalk.ReaderOptions);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("type"u8);
            reader.Read();
            if (isType)
            {
                return reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            }

            if (!TrySkip(ref reader))
            {
                return null;
            }
        }

        return null;
    }

    /// <summary>Skips a value; false when it nests deeper than anyone may, which the walk reports.</summary>
    private static bool TrySkip(ref Utf8JsonReader reader)
    {
        var depth = reader.CurrentDepth;
        if (reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
        {
            return true;
        }

        while (reader.Read() && reader.CurrentDepth > depth)
        {
            if (reader.CurrentDepth > BodyWalk.MaxDepth)
            {
                return false;
            }
        }

        return true;
    }

    private static int FirstInvalidByte(ReadOnlySpan<byte> body)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(body[at..], out _, out var length) == System.Buffers.OperationStatus.Done)
        {
            at += length;
        }

        return at;
    }

    private static string Describe(ReadOnlySpan<byte> body, JsonException broken)
    {
        var line = broken.LineNumber ?? 0;
        var position = broken.BytePositionInLine ?? 0;
        var start = 0;
        for (var i = 0; i < line; i++)
        {
            start += body[start..].IndexOf((byte)'\n') + 1;
        }

        var at = (int)Math.Min(start + position, body.Length);
        var place = $"line {line + 1}, byte {position + 1}";
        return at >= body.Length
            ? $"The JSON ends too early, at {place}: something that was opened is not closed."
            : $"The JSON breaks at {place}, at {Quoted.Of(Encoding.UTF8.GetString(body[at..Math.Min(at + 20, body.Length)]))}.";
    }
}
