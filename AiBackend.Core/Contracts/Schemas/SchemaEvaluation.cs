using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Lays a schema that <see cref="SchemaBounds"/> has accepted on a value, and says what does not fit.</summary>
/// <remarks>
/// A library of our own, because those that can be had cannot be stopped: schemas and answers come from callers and models, and a look has
/// to end in 250 ms (docs/adr/0026). Tests hold it against one of them.
/// </remarks>
internal sealed partial class SchemaEvaluation(JsonElement root, EvaluationBudget budget)
{
    /// <summary>What does not fit; none when all does.</summary>
    /// <exception cref="EvaluationLimitException">It takes too long.</exception>
    public IReadOnlyList<ContractViolation> Run(JsonElement value)
    {
        var violations = new Violations();
        Check(root, value, JsonPlace.Root, violations);
        return violations.ToList();
    }

    /// <param name="schema">The schema.</param>
    /// <param name="value">The value.</param>
    /// <param name="place">Where it stands.</param>
    /// <param name="found">Takes what is wrong; null when only the verdict is wanted, and then the first fault ends the look.</param>
    private bool Check(JsonElement schema, JsonElement value, JsonPlace place, Violations? found)
    {
        if (schema.ValueKind is JsonValueKind.True)
        {
            return true;
        }

        if (schema.ValueKind is JsonValueKind.False)
        {
            return Fault(found, place, "false", $"must not be there.");
        }

        budget.Enter();
        var fits = true;
        foreach (var keyword in schema.EnumerateObject())
        {
            fits &= CheckKeyword(schema, keyword, value, place, found);
            if (!fits && IsEnough(found))
            {
                break;
            }
        }

        budget.Leave();
        return fits;
    }

    private bool CheckKeyword(JsonElement schema, JsonProperty keyword, JsonElement value, JsonPlace place, Violations? found) =>
        keyword.Name switch
        {
            "$ref" => Check(SchemaReferences.Find(root, keyword.Value.GetString()!)!.Value, value, place, found),
            "type" => CheckType(keyword.Value, value, place, found),
            "enum" => CheckEnum(keyword.Value, value, place, found),
            "const" => JsonElement.DeepEquals(keyword.Value, value) || Fault(found, place, "const", $"must be {keyword.Value}."),
            "allOf" => CheckAll(keyword.Value, value, place, found),
            "anyOf" => CheckAny(keyword.Value, value, place, found),
            "oneOf" => CheckOne(keyword.Value, value, place, found),
            "not" => !Check(keyword.Value, value, place, null) || Fault(found, place, "not", $"is what it must not be."),
            "if" => CheckCondition(schema, keyword.Value, value, place, found),
            var name => value.ValueKind switch
            {
                JsonValueKind.Object => CheckObject(schema, name, keyword.Value, value, place, found),
                JsonValueKind.Array => CheckArray(schema, name, keyword.Value, value, place, found),
                JsonValueKind.String => CheckString(name, keyword.Value, value, place, found),
                JsonValueKind.Number => CheckNumber(name, keyword.Value, value, place, found),
                _ => true,
            },
        };

    private static bool CheckType(JsonElement types, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits =
            types.ValueKind == JsonValueKind.String
                ? HasType(types.GetString()!, value)
                : types.EnumerateArray().Any(type => HasType(type.GetString()!, value));
        return fits || Fault(found, place, "type", $"is {KindOf(value)}; it must be {types}.");
    }

    private static bool HasType(string type, JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Number => type == "number" || (type == "integer" && JsonNumbers.IsInteger(value)),
            _ => type == KindOf(value),
        };

    private static string KindOf(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Object => "object",
            JsonValueKind.Array => "array",
            JsonValueKind.String => "string",
            JsonValueKind.Number => "number",
            JsonValueKind.True or JsonValueKind.False => "boolean",
            _ => "null",
        };

    private bool CheckEnum(JsonElement values, JsonElement value, JsonPlace place, Violations? found)
    {
        return budget.Items(values).Any(allowed => JsonElement.DeepEquals(allowed, value))
            || Fault(found, place, "enum", $"is {value}; it must be one of {values}.");
    }

    private bool CheckAll(JsonElement schemas, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var schema in schemas.EnumerateArray())
        {
            fits &= Check(schema, value, place, found);
        }

        return fits;
    }

    private bool CheckAny(JsonElement schemas, JsonElement value, JsonPlace place, Violations? found)
    {
        foreach (var schema in schemas.EnumerateArray())
        {
            if (Check(schema, value, place, null))
            {
                return true;
            }
        }

        if (found is not null)
        {
            // The alternative that was missed by least says best what was meant.
            foreach (var fault in schemas.EnumerateArray().Select(schema => FaultsOf(schema, value, place)).MinBy(faults => faults.Count)!)
            {
                found.Add(fault);
            }
        }

        return false;
    }

    private IReadOnlyList<ContractViolation> FaultsOf(JsonElement schema, JsonElement value, JsonPlace place)
    {
        var faults = new Violations();
        Check(schema, value, place, faults);
        return faults.ToList();
    }

    private bool CheckOne(JsonElement schemas, JsonElement value, JsonPlace place, Violations? found)
    {
        var fitting = 0;
        foreach (var schema in schemas.EnumerateArray())
        {
            fitting += Check(schema, value, place, null) ? 1 : 0;
        }

        return fitting switch
        {
            1 => true,
            0 => CheckAny(schemas, value, place, found),
            _ => Fault(found, place, "oneOf", $"fits {fitting} of the alternatives; it must fit exactly one."),
        };
    }

    private bool CheckCondition(JsonElement schema, JsonElement condition, JsonElement value, JsonPlace place, Violations? found) =>
        !schema.TryGetProperty(Check(condition, value, place, null) ? "then" : "else", out var consequence)
        || Check(consequence, value, place, found);

    /// <summary>Whether there is no use in looking on: the verdict is clear, and there are faults enough to tell.</summary>
    private static bool IsEnough(Violations? found) => found is null or { IsFull: true };

    private static bool Fault(Violations? found, JsonPlace place, string keyword, FormattableString message)
    {
        found?.Add(Violations.Of(place.ToString(), keyword, Text(message)));
        return false;
    }

    /// <summary>With values cut to what can be read.</summary>
    private static string Text(FormattableString message) =>
        string.Format(
            CultureInfo.InvariantCulture,
            message.Format,
            [.. message.GetArguments().Select(argument => argument is JsonElement value ? Violations.Shown(value) : argument)]
        );
}
