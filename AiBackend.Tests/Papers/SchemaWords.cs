using System.Text.Json;

namespace AiBackend.Tests.Papers;

/// <summary>A JSON schema in a few words.</summary>
internal static class SchemaWords
{
    // In this order, and in these words.
    private static readonly (string Name, string Word)[] Limits =
    [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minItems", "items at least"),
        ("maxItems", "items at most"),
        ("default", "default"),
    ];

    public static string Anchor(string type) => "type-" + type.ToLowerInvariant();

    /// <summary>Such as <c>string, date-time or null</c>, with links to types.</summary>
    public static string Type(JsonElement schema)
    {
        if (schema.TryGetProperty("$ref", out var reference))
        {
            var name = reference.GetString()!.Split('/')[^1];
            return $"[`{name}`](#{Anchor(name)})";
        }

        foreach (var choice in (string[])["oneOf", "anyOf"])
        {
            if (schema.TryGetProperty(choice, out var some))
            {
                return string.Join(" or ", some.EnumerateArray().Select(Type));
            }
        }

        var types =
            !schema.TryGetProperty("type", out var type) ? []
            : type.ValueKind is JsonValueKind.Array ? type.EnumerateArray().Select(each => each.GetString()!).ToList()
            : [type.GetString()!];
        var isNullable = types.Remove("null");
        var words = types.Count == 0 ? "any" : string.Join(" or ", types.Select(each => One(each, schema)));
        return isNullable && types.Count > 0 ? words + " or null"
            : isNullable ? "null"
            : words;
    }

    /// <summary>What it is bound to beyond its type; nothing, or a sentence with a blank before it.</summary>
    public static string Bounds(JsonElement schema)
    {
        var found = Limits
            .Where(limit => schema.TryGetProperty(limit.Name, out _))
            .Select(limit => $"{limit.Word} `{schema.GetProperty(limit.Name).GetRawText()}`")
            .ToList();
        if (schema.TryGetProperty("enum", out var values))
        {
            var named = values
                .EnumerateArray()
                .Where(value => value.ValueKind is JsonValueKind.String)
                .Select(value => $"`{value.GetString()}`");
            found.Insert(0, "one of " + string.Join(", ", named));
        }

        return found.Count == 0 ? "" : $" ({string.Join("; ", found)})";
    }

    private static string One(string type, JsonElement schema) =>
        type switch
        {
            "array" when schema.TryGetProperty("items", out var items) => "list of " + Type(items),
            "object" when schema.TryGetProperty("additionalProperties", out var values) && values.ValueKind is JsonValueKind.Object =>
                "object of " + Type(values),
            "string" when schema.TryGetProperty("format", out var format) => format.GetString() is "uri" ? "string" : format.GetString()!,
            _ => type,
        };
}
