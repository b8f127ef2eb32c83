using System.Text.Json;

namespace AiBackend.Core.Contracts.Schemas;

// Keywords for objects and arrays.
internal sealed partial class SchemaEvaluation
{
    private bool CheckObject(
        JsonElement schema,
        string keyword,
        JsonElement wanted,
        JsonElement value,
        JsonPlace place,
        Violations? found
    ) =>
        keyword switch
        {
            "properties" => CheckProperties(wanted, value, place, found),
            "patternProperties" => CheckPatterns(wanted, value, place, found),
            "additionalProperties" => CheckAdditional(schema, wanted, value, place, found),
            "propertyNames" => CheckNames(wanted, value, place, found),
            "required" => CheckRequired(wanted, value, place, found),
            "dependentRequired" => CheckDependent(wanted, value, place, found),
            "minProperties" => value.GetPropertyCount() >= JsonNumbers.Count(wanted)
                || Fault(found, place, keyword, $"must have at least {wanted} members."),
            "maxProperties" => value.GetPropertyCount() <= JsonNumbers.Count(wanted)
                || Fault(found, place, keyword, $"must have at most {wanted} members."),
            _ => true,
        };

    private bool CheckProperties(JsonElement schemas, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var property in budget.Members(schemas))
        {
            if (value.TryGetProperty(property.Name, out var member))
            {
                fits &= Check(property.Value, member, place.At(property.Name), found);
            }
        }

        return fits;
    }

    private bool CheckPatterns(JsonElement schemas, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var pattern in schemas.EnumerateObject())
        {
            foreach (var member in budget.Members(value).Where(member => Matches(pattern.Name, member.Name)))
            {
                fits &= Check(pattern.Value, member.Value, place.At(member.Name), found);
                if (!fits && IsEnough(found))
                {
                    return false;
                }
            }
        }

        return fits;
    }

    private bool CheckAdditional(JsonElement schema, JsonElement wanted, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var member in budget.Members(value).Where(member => !IsKnown(schema, member.Name)))
        {
            fits &=
                wanted.ValueKind == JsonValueKind.False
                    ? Fault(found, place.At(member.Name), "additionalProperties", $"is no member that the schema knows; leave it out.")
                    : Check(wanted, member.Value, place.At(member.Name), found);
            if (!fits && IsEnough(found))
            {
                return false;
            }
        }

        return fits;
    }

    private bool IsKnown(JsonElement schema, string name) =>
        (schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(name, out _))
        || (
            schema.TryGetProperty("patternProperties", out var patterns)
            && patterns.EnumerateObject().Any(pattern => Matches(pattern.Name, name))
        );

    private bool CheckNames(JsonElement wanted, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var member in budget.Members(value))
        {
            using var name = JsonDocument.Parse(JsonSerializer.SerializeToUtf8Bytes(member.Name, ContractJson.Default.String));
            fits &= Check(wanted, name.RootElement, place.At(member.Name), found);
            if (!fits && IsEnough(found))
            {
                return false;
            }
        }

        return fits;
    }

    private bool CheckRequired(JsonElement names, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var name in budget.Items(names).Select(name => name.GetString()!))
        {
            fits &= value.TryGetProperty(name, out _) || Fault(found, place.At(name), "required", $"is missing.");
            if (!fits && IsEnough(found))
            {
                return false;
            }
        }

        return fits;
    }

    private bool CheckDependent(JsonElement wanted, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        foreach (var dependent in budget.Members(wanted).Where(dependent => value.TryGetProperty(dependent.Name, out _)))
        {
            fits &= CheckRequired(dependent.Value, value, place, found);
        }

        return fits;
    }

    private bool CheckArray(
        JsonElement schema,
        string keyword,
        JsonElement wanted,
        JsonElement value,
        JsonPlace place,
        Violations? found
    ) =>
        keyword switch
        {
            "items" => CheckItems(wanted, value, PrefixOf(schema), place, found),
            "prefixItems" => CheckPrefix(wanted, value, place, found),
            "contains" => CheckContains(schema, wanted, value, place, found),
            "minItems" => value.GetArrayLength() >= JsonNumbers.Count(wanted)
                || Fault(found, place, keyword, $"has {value.GetArrayLength()} items; it must have at least {wanted}."),
            "maxItems" => value.GetArrayLength() <= JsonNumbers.Count(wanted)
                || Fault(found, place, keyword, $"has {value.GetArrayLength()} items; it must have at most {wanted}."),
            "uniqueItems" => wanted.ValueKind != JsonValueKind.True || CheckUnique(value, place, found),
            _ => true,
        };

    private static int PrefixOf(JsonElement schema) => schema.TryGetProperty("prefixItems", out var prefix) ? prefix.GetArrayLength() : 0;

    private bool CheckItems(JsonElement wanted, JsonElement value, int skip, JsonPlace place, Violations? found)
    {
        var fits = true;
        var index = 0;
        foreach (var item in budget.Items(value))
        {
            if (index >= skip)
            {
                fits &= Check(wanted, item, place.At(index), found);
                if (!fits && IsEnough(found))
                {
                    return false;
                }
            }

            index++;
        }

        return fits;
    }

    private bool CheckPrefix(JsonElement wanted, JsonElement value, JsonPlace place, Violations? found)
    {
        var fits = true;
        var index = 0;
        foreach (var (schema, item) in budget.Items(wanted).Zip(value.EnumerateArray()))
        {
            fits &= Check(schema, item, place.At(index++), found);
        }

        return fits;
    }

    private bool CheckContains(JsonElement schema, JsonElement wanted, JsonElement value, JsonPlace place, Violations? found)
    {
        var least = schema.TryGetProperty("minContains", out var min) ? JsonNumbers.Count(min) : 1;
        var most = schema.TryGetProperty("maxContains", out var max) ? JsonNumbers.Count(max) : int.MaxValue;
        var count = budget.Items(value).Count(item => Check(wanted, item, place, null));
        return (count >= least && count <= most)
            || Fault(found, place, "contains", $"has {count} items that fit {wanted}; it must have from {least} to {most}.");
    }

    private bool CheckUnique(JsonElement value, JsonPlace place, Violations? found)
    {
        var items = value.EnumerateArray().ToList();
        for (var i = 1; i < items.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                budget.Step();
                if (JsonElement.DeepEquals(items[i], items[j]))
                {
                    return Fault(found, place.At(i), "uniqueItems", $"is the same as item {j}; no item may come twice.");
                }
            }
        }

        return true;
    }
}
