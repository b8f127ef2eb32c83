using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Core.Texts;
using static System.FormattableString;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Says at the door what is wrong with a schema, so that no worker has to.</summary>
internal sealed class SchemaBounds
{
    /// <summary>UTF-8 bytes of a schema.</summary>
    public const int MaxBytes = 64 * 1024;

    /// <summary>Schemas within schemas.</summary>
    public const int MaxDepth = 16;

    /// <summary>Schemas in a schema, itself included.</summary>
    public const int MaxSchemas = 500;

    private static readonly HashSet<string> Types = ["object", "array", "string", "number", "integer", "boolean", "null"];

    /// <summary>Members that say nothing about the value.</summary>
    private static readonly HashSet<string> Notes =
    [
        "$schema",
        "$id",
        "$comment",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    ];

    private readonly JsonElement _root;
    private readonly Action<string, string> _report;
    private int _schemas;

    private SchemaBounds(JsonElement root, Action<string, string> report) => (_root, _report) = (root, report);

    /// <param name="schema">What a caller sent.</param>
    /// <param name="report">Takes the JSON Pointer of each fault within the schema, and what is wrong there.</param>
    public static void Check(JsonElement schema, Action<string, string> report)
    {
        var json = JsonMarshal.GetRawUtf8Value(schema);
        if (json.Length > MaxBytes)
        {
            report("", Invariant($"has {json.Length} bytes; at most {MaxBytes} are allowed."));
            return;
        }

        if (StorableJson.FaultOf(json, default) is { } fault)
        {
            report("", $"cannot be laid on answers: {fault}.");
            return;
        }

        new SchemaBounds(schema, report).CheckSchema(schema, JsonPlace.Root, 1);
    }

    private void CheckSchema(JsonElement schema, JsonPlace place, int depth)
    {
        if (++_schemas == MaxSchemas + 1)
        {
            Report(place, Invariant($"is schema number {_schemas}; at most {MaxSchemas} are allowed."));
        }

        if (_schemas > MaxSchemas)
        {
            return;
        }

        if (depth > MaxDepth)
        {
            Report(place, Invariant($"is {depth} schemas deep; at most {MaxDepth} are allowed."));
        }
        else if (schema.ValueKind == JsonValueKind.Object)
        {
            foreach (var keyword in schema.EnumerateObject())
            {
                CheckKeyword(keyword.Name, keyword.Value, place.At(keyword.Name), depth);
            }
        }
        else if (schema.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            Report(place, "must be a schema: an object, true or false.");
        }
    }

    private void CheckKeyword(string name, JsonElement value, JsonPlace place, int depth)
    {
        switch (name)
        {
            case "$ref":
                CheckReference(value, place);
                break;
            case "type":
                CheckTypes(value, place);
                break;
            case "enum":
                Need(value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0, place, "must be a list of values.");
                break;
            case "not" or "if" or "then" or "else" or "items" or "contains" or "propertyNames" or "additionalProperties":
                CheckSchema(value, place, depth + 1);
                break;
            case "allOf" or "anyOf" or "oneOf" or "prefixItems":
                CheckList(value, place, depth);
                break;
            case "properties" or "patternProperties" or "$defs" or "definitions":
                CheckMap(name, value, place, depth);
                break;
            case "dependentRequired":
                CheckDependent(value, place);
                break;
            case "required":
                Need(IsListOfStrings(value), place, "must be a list of names.");
                break;
            case "const":
                break;
            default:
                CheckPlain(name, value, place);
                break;
        }
    }

    private void CheckPlain(string name, JsonElement value, JsonPlace place)
    {
        switch (name)
        {
            case "minLength"
            or "maxLength"
            or "minItems"
            or "maxItems"
            or "minProperties"
            or "maxProperties"
            or "minContains"
            or "maxContains":
                Need(IsNumber(value) && value.GetDouble() >= 0 && JsonNumbers.IsInteger(value), place, "must be a whole number from 0 up.");
                break;
            case "minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum":
                Need(IsNumber(value), place, "must be a number.");
                break;
            case "multipleOf":
                Need(
                    IsNumber(value) && value.TryGetDecimal(out var step) && step > 0,
                    place,
                    "must be a number above 0 with at most 28 digits."
                );
                break;
            case "uniqueItems":
                Need(value.ValueKind is JsonValueKind.True or JsonValueKind.False, place, "must be true or false.");
                break;
            case "pattern":
                CheckPattern(value.ValueKind == JsonValueKind.String ? value.GetString() : null, place);
                break;
            case "format":
                Need(
                    value.ValueKind == JsonValueKind.String && TextFormats.Knows(value.GetString()!),
                    place,
                    $"must be one of {string.Join(", ", TextFormats.Names)}."
                );
                break;
            default:
                Need(
                    Notes.Contains(name) || name.StartsWith("x-", StringComparison.Ordinal),
                    place,
                    "is no keyword that is checked here; leave it out, or name it x-… if it is a note."
                );
                break;
        }
    }

    private void CheckReference(JsonElement value, JsonPlace place)
    {
        if (value.ValueKind != JsonValueKind.String || !value.GetString()!.StartsWith('#'))
        {
            Report(place, "must begin with #: a schema refers to nothing outside itself.");
        }
        else
        {
            Need(
                SchemaReferences.Find(_root, value.GetString()!) is not null,
                place,
                $"names {value.GetString()}, where there is no schema."
            );
        }
    }

    private void CheckTypes(JsonElement value, JsonPlace place) =>
        Need(
            value.ValueKind == JsonValueKind.String
                ? Types.Contains(value.GetString()!)
                : IsListOfStrings(value)
                    && value.GetArrayLength() > 0
                    && value.EnumerateArray().All(type => Types.Contains(type.GetString()!)),
            place,
            $"must be one of {string.Join(", ", Types)}, or a list of them."
        );

    private void CheckList(JsonElement value, JsonPlace place, int depth)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            Report(place, "must be a list of schemas.");
            return;
        }

        var index = 0;
        foreach (var schema in value.EnumerateArray())
        {
            CheckSchema(schema, place.At(index++), depth + 1);
        }
    }

    private void CheckMap(string name, JsonElement value, JsonPlace place, int depth)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            Report(place, "must be an object of schemas.");
            return;
        }

        foreach (var member in value.EnumerateObject())
        {
            if (name == "patternProperties")
            {
                CheckPattern(member.Name, place.At(member.Name));
            }

            CheckSchema(member.Value, place.At(member.Name), depth + 1);
        }
    }

    private void CheckDependent(JsonElement value, JsonPlace place) =>
        Need(
            value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(member => IsListOfStrings(member.Value)),
            place,
            "must be an object of lists of names."
        );

    private void CheckPattern(string? pattern, JsonPlace place)
    {
        if ((pattern is null ? "must be a regular expression." : SafePatterns.Refuse(pattern)) is { } fault)
        {
            Report(place, fault);
        }
    }

    private static bool IsNumber(JsonElement value) => value.ValueKind == JsonValueKind.Number && double.IsFinite(value.GetDouble());

    private static bool IsListOfStrings(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String);

    private void Need(bool holds, JsonPlace place, string otherwise)
    {
        if (!holds)
        {
            Report(place, otherwise);
        }
    }

    private void Report(JsonPlace place, string fault) => _report(place.ToString(), fault);
}
