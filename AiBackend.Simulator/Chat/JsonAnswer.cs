using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Simulator.Behaviours;

namespace AiBackend.Simulator.Chat;

/// <summary>A JSON answer for a schema: the smallest value that fits, or one of the ways in which models get it wrong.</summary>
internal static class JsonAnswer
{
    private const int DeepestSchema = 16;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static string Write(JsonElement schema, SimJson how)
    {
        var text = (ValueFor(schema, 0) ?? JsonValue.Create("simulated")).ToJsonString(Indented);
        return how switch
        {
            SimJson.WrongType or SimJson.WrongOnce => "[\"simulated: not what the schema asks for\"]",
            SimJson.Truncated => text[..Math.Max(1, text.Length * 2 / 3)],
            SimJson.Prose => "This is a simulated answer. Sure! Here is your JSON: " + text + " Let me know if you need more.",
            SimJson.Fenced => "```json\n" + text + "\n```",
            _ => text,
        };
    }

    private static JsonNode? ValueFor(JsonElement schema, int depth)
    {
        if (schema.ValueKind != JsonValueKind.Object || depth > DeepestSchema)
        {
            return JsonValue.Create("simulated");
        }

        if (schema.TryGetProperty("const", out var only))
        {
            return JsonNode.Parse(only.GetRawText());
        }

        if (schema.TryGetProperty("default", out var usual))
        {
            return JsonNode.Parse(usual.GetRawText());
        }

        if (schema.TryGetProperty("enum", out var choices) && choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() > 0)
        {
            return JsonNode.Parse(choices[0].GetRawText());
        }

        return TypeOf(schema) switch
        {
            "string" => JsonValue.Create("simulated"),
            "integer" or "number" => schema.TryGetProperty("minimum", out var least)
                ? JsonNode.Parse(least.GetRawText())
                : JsonValue.Create(1),
            "boolean" => JsonValue.Create(true),
            "null" => null,
            "array" => schema.TryGetProperty("items", out var items) ? new JsonArray(ValueFor(items, depth + 1)) : new JsonArray(),
            _ => ObjectFor(schema, depth),
        };
    }

    private static JsonObject ObjectFor(JsonElement schema, int depth)
    {
        var value = new JsonObject();
        if (schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in properties.EnumerateObject())
            {
                value[property.Name] = ValueFor(property.Value, depth + 1);
            }
        }
        else
        {
            value["simulated"] = true;
        }

        return value;
    }

    private static string? TypeOf(JsonElement schema) =>
        schema.TryGetProperty("type", out var type)
            ? type.ValueKind switch
            {
                JsonValueKind.String => type.GetString(),
                JsonValueKind.Array when type.GetArrayLength() > 0 => type[0].GetString(),
                _ => null,
            }
            : null;
}
