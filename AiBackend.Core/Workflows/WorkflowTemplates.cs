using System.Buffers;
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

/// <summary>Puts values in place of placeholders, in one pass: what is put in is never looked through again.</summary>
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
    public static string Text(string template, WorkflowValues values) =>
        Placeholder().Replace(template, match => Write(Find(match.Groups["path"].Value, values)));

    /// <summary>JSON with values put into its texts.</summary>
    public static JsonElement Json(JsonElement template, WorkflowValues values)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            Write(json, template, values);
        }

        return JsonSerializer.Deserialize(buffer.WrittenSpan, WireJson.Default.JsonElement);
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

    private static void Write(Utf8JsonWriter json, JsonElement template, WorkflowValues values)
    {
        switch (template.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var member in template.EnumerateObject())
                {
                    json.WritePropertyName(member.Name);
                    Write(json, member.Value, values);
                }

                json.WriteEndObject();
                break;
            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var item in template.EnumerateArray())
                {
                    Write(json, item, values);
                }

                json.WriteEndArray();
                break;
            case JsonValueKind.String when IsOne(template.GetString()!):
                (Value(template.GetString()!, values) ?? Null).WriteTo(json);
                break;
            case JsonValueKind.String:
                json.WriteStringValue(Text(template.GetString()!, values));
                break;
            default:
                template.WriteTo(json);
                break;
        }
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
                    when int.TryParse(
                        part,
                        System.Globalization.NumberStyles.None,
                        System.Globalization.CultureInfo.InvariantCulture,
                        out var index
                    )
                        && index < list.GetArrayLength() => list[index],
                _ => null,
            };
        }

        return at;
    }

    [GeneratedRegex(@"\{\{\s*(?<path>[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)\s*\}\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Placeholder();
}
