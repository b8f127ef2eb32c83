using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiBackend.Tests.Api;

/// <summary>A text that a caller may send.</summary>
/// <param name="In">path, query, header or body.</param>
/// <param name="Place">Its name, and within a body the way to it.</param>
internal sealed record StringInput(string In, IReadOnlyList<string> Place)
{
    public string Name => Place[0];

    public override string ToString() => $"{In} {string.Join('.', Place)}";

    /// <summary>A body with this text at its place; what is on the way is made.</summary>
    public string Put(string body, string text)
    {
        var root = JsonNode.Parse(body)!;
        var node = root;
        for (var i = 0; i < Place.Count; i++)
        {
            var (name, next) = (Place[i], i + 1 < Place.Count ? Place[i + 1] : null);
            var made = next switch
            {
                null => (JsonNode)JsonValue.Create(text),
                "0" => new JsonArray(),
                _ => new JsonObject(),
            };
            if (node is JsonArray list)
            {
                if (list.Count == 0 || next is null)
                {
                    list.Clear();
                    list.Add(made);
                }
                else if (list[0]?.GetValueKind() != made.GetValueKind())
                {
                    list[0] = made;
                }

                node = list[0]!;
            }
            else
            {
                if (next is null || node[name]?.GetValueKind() != made.GetValueKind())
                {
                    node[name] = made;
                }

                node = node[name]!;
            }
        }

        return root.ToJsonString();
    }
}

/// <summary>What the document says of an operation.</summary>
/// <param name="Method">In capitals.</param>
/// <param name="Path">With its parameters in braces.</param>
/// <param name="HasBody">Whether it takes JSON.</param>
/// <param name="Inputs">Every text that it takes.</param>
internal sealed record DocumentedOperation(string Method, string Path, bool HasBody, IReadOnlyList<StringInput> Inputs)
{
    private const int MostLevels = 6;

    public static IReadOnlyList<DocumentedOperation> Of(JsonElement document) =>
        [
            .. from path in document.GetProperty("paths").EnumerateObject()
            from operation in path.Value.EnumerateObject()
            let body = SchemaOf(operation.Value)
            select new DocumentedOperation(
                operation.Name.ToUpperInvariant(),
                path.Name,
                body is not null,
                [
                    .. Parameters(operation.Value, document),
                    .. body is null
                        ? []
                        : Texts(body.Value, document, [], [])
                            .Select(place => new StringInput("body", place))
                            .DistinctBy(text => text.ToString()),
                ]
            ),
        ];

    private static JsonElement? SchemaOf(JsonElement operation) =>
        operation.TryGetProperty("requestBody", out var body)
        && body.GetProperty("content").TryGetProperty("application/json", out var json)
        && json.TryGetProperty("schema", out var schema)
            ? schema
            : null;

    private static IEnumerable<StringInput> Parameters(JsonElement operation, JsonElement document) =>
        operation.TryGetProperty("parameters", out var parameters)
            ? from parameter in parameters.EnumerateArray()
            where
                !parameter.TryGetProperty("schema", out var schema)
                || IsText(schema)
                || (schema.TryGetProperty("items", out var items) && Texts(items, document, [], []).Any())
            select new StringInput(parameter.GetProperty("in").GetString()!, [parameter.GetProperty("name").GetString()!])
            : [];

    private static bool IsText(JsonElement schema) =>
        schema.TryGetProperty("type", out var type)
        && (
            type.ValueKind is JsonValueKind.Array
                ? type.EnumerateArray().Any(each => each.ValueEquals("string"))
                : type.ValueEquals("string")
        );

    private static IEnumerable<string[]> Texts(JsonElement schema, JsonElement document, string[] place, string[] within)
    {
        if (schema.TryGetProperty("$ref", out var reference))
        {
            var name = reference.GetString()!.Split('/')[^1];
            return within.Contains(name)
                ? []
                : Texts(document.GetProperty("components").GetProperty("schemas").GetProperty(name), document, place, [.. within, name]);
        }

        if (place.Length > MostLevels)
        {
            return [];
        }

        var choices = ((string[])["oneOf", "anyOf", "allOf"])
            .Where(choice => schema.TryGetProperty(choice, out _))
            .SelectMany(choice => schema.GetProperty(choice).EnumerateArray())
            .SelectMany(each => Texts(each, document, place, within));
        var members = schema.TryGetProperty("properties", out var properties)
            ? properties.EnumerateObject().SelectMany(member => Texts(member.Value, document, [.. place, member.Name], within))
            : [];
        var items = schema.TryGetProperty("items", out var item) ? Texts(item, document, [.. place, "0"], within) : [];
        var others =
            schema.TryGetProperty("additionalProperties", out var other) && other.ValueKind is JsonValueKind.Object
                ? Texts(other, document, [.. place, "x"], within)
                : [];
        // Whatever is JSON may be text too.
        var isAny = place.Length > 0 && !schema.EnumerateObject().Any(word => word.Name is not ("description" or "title"));
        return choices.Concat(members).Concat(items).Concat(others).Concat(place.Length > 0 && (isAny || IsText(schema)) ? [place] : []);
    }
}
