using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Contracts;

/// <summary>Mends what models do to JSON that says what it should: no value is guessed.</summary>
internal static class JsonRepair
{
    /// <summary>As deep as the wire's JSON.</summary>
    private const int MaxDepth = 32;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    private static readonly JsonDocumentOptions Lenient = Strict with { AllowTrailingCommas = true };

    /// <summary>Reads an answer that should be JSON.</summary>
    /// <param name="text">What the model wrote.</param>
    /// <param name="mayMend">Whether anything but JSON alone is accepted.</param>
    /// <param name="fault">Why it is none that could be the output, when it is none.</param>
    /// <returns>The value, the JSON that is the output, and what was mended; null when it is no JSON, or none that could be stored.</returns>
    public static RepairedJson? Read(string text, bool mayMend, out string fault)
    {
        if (Parse(text, Strict, out fault) is { } whole)
        {
            return new RepairedJson(whole, text, []);
        }

        if (!mayMend)
        {
            return null;
        }

        var repairs = new List<string>();
        var found = Inside(text.AsSpan().Trim(), repairs).ToString();
        if (Parse(found, Strict, out _) is { } inner)
        {
            return new RepairedJson(inner, found, repairs);
        }

        return Parse(found, Lenient, out fault) is { } loose
            ? new RepairedJson(
                loose,
                JsonSerializer.Serialize(loose, ApiContracts.WireJson.Default.JsonElement),
                [.. repairs, Repairs.TrailingComma]
            )
            : null;
    }

    private static JsonElement? Parse(string text, JsonDocumentOptions options, out string fault)
    {
        try
        {
            var value = StorableJson.Parse(text, options, out var unstorable);
            fault = unstorable is null ? "" : $"cannot be the output: {unstorable}.";
            return value;
        }
        catch (JsonException notJson)
        {
            fault = $"is not JSON: {notJson.Message}";
            return null;
        }
    }

    /// <summary>What stands in a fence, or between words.</summary>
    private static ReadOnlySpan<char> Inside(ReadOnlySpan<char> text, List<string> repairs)
    {
        const string Fence = "```";
        var open = text.IndexOf(Fence);
        var begin = text.IndexOfAny('{', '[');
        if (open >= 0 && (begin < 0 || open < begin))
        {
            var inner = text[(open + Fence.Length)..];
            var line = inner.IndexOf('\n');
            var close = inner.LastIndexOf(Fence);
            if (line >= 0 && close > line)
            {
                repairs.Add(Repairs.Fence);
                return Bare(inner[(line + 1)..close].Trim(), repairs);
            }
        }

        return Bare(text, repairs);
    }

    /// <summary>The first object or array, to the bracket that closes it.</summary>
    private static ReadOnlySpan<char> Bare(ReadOnlySpan<char> text, List<string> repairs)
    {
        var begin = text.IndexOfAny('{', '[');
        if (begin < 0)
        {
            return text;
        }

        var end = EndOf(text[begin..]);
        if (end < 0 || (begin == 0 && end == text.Length))
        {
            return text;
        }

        repairs.Add(Repairs.SurroundingText);
        return text.Slice(begin, end);
    }

    /// <returns>How long the value that begins <paramref name="text"/> is; less than 0 when it does not end.</returns>
    private static int EndOf(ReadOnlySpan<char> text)
    {
        var (depth, quoted) = (0, false);
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '\\' when quoted:
                    i++;
                    break;
                case '"':
                    quoted = !quoted;
                    break;
                case '{' or '[' when !quoted:
                    depth++;
                    break;
                case '}' or ']' when !quoted && --depth == 0:
                    return i + 1;
            }
        }

        return -1;
    }

    /// <summary>Writes numbers and booleans that stand as texts where the schema wants none, at the places named.</summary>
    /// <param name="root">The answer.</param>
    /// <param name="places">JSON Pointers of what has the wrong type.</param>
    /// <returns>Null when nothing could be mended.</returns>
    public static JsonElement? RetypeTexts(JsonElement root, IReadOnlySet<string> places)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        bool mended;
        using (var json = new Utf8JsonWriter(buffer))
        {
            mended = Write(json, root, Schemas.JsonPlace.Root, places);
        }

        return mended ? Parse(Encoding.UTF8.GetString(buffer.WrittenSpan), Strict, out _) : null;
    }

    private static bool Write(Utf8JsonWriter json, JsonElement value, Schemas.JsonPlace place, IReadOnlySet<string> places)
    {
        var mended = false;
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var member in value.EnumerateObject())
                {
                    json.WritePropertyName(member.Name);
                    mended |= Write(json, member.Value, place.At(member.Name), places);
                }

                json.WriteEndObject();
                return mended;
            case JsonValueKind.Array:
                json.WriteStartArray();
                var index = 0;
                foreach (var item in value.EnumerateArray())
                {
                    mended |= Write(json, item, place.At(index++), places);
                }

                json.WriteEndArray();
                return mended;
            case JsonValueKind.String
                when places.Contains(place.ToString()) && Parse(value.GetString()!.Trim(), Strict, out _) is { } plain:
                if (plain.ValueKind is not (JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False))
                {
                    goto default;
                }

                plain.WriteTo(json);
                return true;
            default:
                value.WriteTo(json);
                return false;
        }
    }
}

/// <summary>An answer that is JSON.</summary>
/// <param name="Value">The value.</param>
/// <param name="Text">The same as text: the job's output, if the contract is kept.</param>
/// <param name="Repairs">What was mended.</param>
internal sealed record RepairedJson(JsonElement Value, string Text, IReadOnlyList<string> Repairs);
