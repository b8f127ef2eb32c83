using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.ApiContracts;

namespace AiBackend.Core.Workflows;

/// <summary>What placeholders stand for.</summary>
/// <param name="Input">The run's input.</param>
/// <param name="Steps">What steps gave, by name; those that gave nothing are not in it.</param>
public sealed record WorkflowValues(JsonElement? Input, IReadOnlyDictionary<string, JsonElement> Steps)
{
    /// <summary>The item of a map; null elsewhere.</summary>
    public (JsonElement Item, int Index)? Item { get; init; }
}

/// <summary>Puts values in place of placeholders, in one pass: what is put in is never looked through again, and it ends as soon as it has become too large.</summary>
public static partial class WorkflowTemplates
{
    private static readonly JsonElement Null = JsonDocument.Parse("null").RootElement;

    /// <summary>The value that a text of one placeholder stands for; null when there is none.</summary>
    public static JsonElement? Value(string placeholder, WorkflowValues values) =>
        Placeholder().Match(placeholder) is { Success: true } match && match.Length == placeholder.Length
            ? Find(match.Groups["path"].Value, values)
            : null;

    /// <summary>Whether a text is one placeholder and nothing else.</summary>
    public static bool IsOne(string text) => Placeholder().Match(text) is { Success: true } match && match.Length == text.Length;

    /// <summary>A text with values put in: texts as they are, everything else as JSON, nothing for what is not there.</summary>
    /// <param name="template">The text.</param>
    /// <param name="values">What placeholders stand for.</param>
    /// <param name="room">Bytes that it may take as UTF-8; what it took is taken from it. Less than 0 afterwards: it takes more.</param>
    /// <returns>Null when there is not so much room.</returns>
    public static string? Text(string template, WorkflowValues values, ref long room)
    {
        var text = new StringBuilder();
        var end = 0;
        for (var match = Placeholder().Match(template); match.Success; match = match.NextMatch())
        {
            if (!Add(template.AsSpan(end, match.Index - end), ref room) || !Add(Write(Find(match.Groups["path"].Value, values)), ref room))
            {
                return null;
            }

            end = match.Index + match.Length;
        }

        return Add(template.AsSpan(end), ref room) ? text.ToString() : null;

        bool Add(ReadOnlySpan<char> part, ref long room)
        {
            room -= Encoding.UTF8.GetByteCount(part);
            if (room < 0)
            {
                return false;
            }

            text.Append(part);
            return true;
        }
    }

    /// <summary>JSON with values put into its texts.</summary>
    /// <param name="template">The JSON.</param>
    /// <param name="values">What placeholders stand for.</param>
    /// <param name="fault">Why it is nothing that a step can give, as a sentence; null when it is.</param>
    /// <returns>Null when there is a fault.</returns>
    public static JsonElement? Json(JsonElement template, WorkflowValues values, out string? fault)
    {
        var buffer = new ArrayBufferWriter<byte>();
        // Not disposed when it was left in the middle: it owns nothing.
        var json = StepValues.Writer(buffer);
        if (!Write(json, template, values))
        {
            fault = StepValues.TooLarge(json.BytesCommitted + json.BytesPending);
            return null;
        }

        json.Dispose();
        fault = StepValues.FaultOf(buffer.WrittenSpan);
        return fault is null ? StepValues.Read(buffer.WrittenMemory) : null;
    }

    /// <summary>Paths of the placeholders of a text.</summary>
    public static IEnumerable<string> Paths(string? template) =>
        template is null ? [] : Placeholder().Matches(template).Select(match => match.Groups["path"].Value);

    /// <summary>Paths of the placeholders of all texts of a JSON value.</summary>
    public static IEnumerable<string> Paths(JsonElement template) =>
        template.ValueKind switch
        {
            JsonValueKind.String => Paths(template.GetString()),
            JsonValueKind.Array => template.EnumerateArray().SelectMany(Paths),
            JsonValueKind.Object => template.EnumerateObject().SelectMany(member => Paths(member.Value)),
            _ => [],
        };

    /// <returns>False when it has become too large.</returns>
    private static bool Write(Utf8JsonWriter json, JsonElement template, WorkflowValues values)
    {
        switch (template.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var member in template.EnumerateObject())
                {
                    json.WritePropertyName(member.Name);
                    if (!Write(json, member.Value, values))
                    {
                        return false;
                    }
                }

                json.WriteEndObject();
                break;
            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var item in template.EnumerateArray())
                {
                    if (!Write(json, item, values))
                    {
                        return false;
                    }
                }

                json.WriteEndArray();
                break;
            case JsonValueKind.String when IsOne(template.GetString()!):
                (Value(template.GetString()!, values) ?? Null).WriteTo(json);
                break;
            case JsonValueKind.String:
                long room = StepValues.MaxBytes;
                if (Text(template.GetString()!, values, ref room) is not { } text)
                {
                    return false;
                }

                json.WriteStringValue(text);
                break;
            default:
                template.WriteTo(json);
                break;
        }

        return json.BytesCommitted + json.BytesPending <= StepValues.MaxBytes;
    }

    private static string Write(JsonElement? value) =>
        value switch
        {
            null or { ValueKind: JsonValueKind.Null } => "",
            { ValueKind: JsonValueKind.String } text => text.GetString()!,
            { } other => other.GetRawText(),
        };

    private static JsonElement? Find(string path, WorkflowValues values)
    {
        var parts = path.Split('.');
        JsonElement? at = parts[0] switch
        {
            "input" => values.Input,
            "item" => values.Item?.Item,
            "index" => values.Item is { } item ? JsonSerializer.SerializeToElement(item.Index, WireJson.Default.Int32) : null,
            "steps" when parts.Length > 1 && values.Steps.TryGetValue(parts[1], out var step) => step,
            _ => null,
        };
        foreach (var part in parts.Skip(parts[0] == "steps" ? 2 : 1))
        {
            at = at switch
            {
                { ValueKind: JsonValueKind.Object } value when value.TryGetProperty(part, out var member) => member,
                { ValueKind: JsonValueKind.Array } list
                    when int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                        && index < list.GetArrayLength() => list[index],
                _ => null,
            };
        }

        return at;
    }

    [GeneratedRegex(@"\{\{\s*(?<path>[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)\s*\}\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Placeholder();
}
