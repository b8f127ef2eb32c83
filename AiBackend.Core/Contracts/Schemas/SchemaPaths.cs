using System.Globalization;
using System.Text.Json;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>Says which paths into a value a schema leaves possible. Nothing is called impossible that some value of the schema has.</summary>
internal sealed class SchemaPaths
{
    /// <summary>A part that stands for whichever item of a list.</summary>
    public const string AnyItem = "*";

    private const int MostNames = 20;

    // A schema may name itself.
    private const int MostDepth = 100;

    private readonly JsonElement _root;
    private readonly IReadOnlyList<string> _path;
    private readonly PathEffort _effort;
    private int _depth;

    private SchemaPaths(JsonElement root, IReadOnlyList<string> path, PathEffort effort) => (_root, _path, _effort) = (root, path, effort);

    /// <param name="schema">Accepted by <see cref="SchemaBounds"/>.</param>
    /// <param name="path">Names of members and numbers of items, from the value inwards.</param>
    /// <param name="effort">What may be spent; when nothing is left, everything is possible.</param>
    /// <returns>How many parts can be there, and in words what there is behind them; null when all of them can.</returns>
    public static (int Parts, string Offers)? FindFault(JsonElement schema, IReadOnlyList<string> path, PathEffort effort)
    {
        if (CanHave(schema, path, effort))
        {
            return null;
        }

        // Upwards: a path may have thousands of parts behind the first that cannot be there.
        var parts = 0;
        while (parts < path.Count - 1 && !effort.IsSpent && CanHave(schema, [.. path.Take(parts + 1)], effort))
        {
            parts++;
        }

        var found = new SchemaPaths(schema, [.. path.Take(parts)], effort);
        var (names, kinds) = (new SortedSet<string>(StringComparer.Ordinal), new SortedSet<string>(StringComparer.Ordinal));
        found.Collect(schema, 0, names, kinds);
        return (parts, names.Count + kinds.Count == 0 && effort.IsSpent ? "does not offer that" : Words(names, kinds));
    }

    private static bool CanHave(JsonElement schema, IReadOnlyList<string> path, PathEffort effort) =>
        new SchemaPaths(schema, path, effort).Has(schema, 0);

    private static string Words(SortedSet<string> names, SortedSet<string> kinds) =>
        names.Count > 0 ? $"offers {string.Join(", ", names.Take(MostNames))}{(names.Count > MostNames ? " and more" : "")}"
        : kinds.Count > 0 ? $"is {string.Join(" or ", kinds)}"
        : "offers nothing";

    private bool Has(JsonElement schema, int at)
    {
        if (schema.ValueKind != JsonValueKind.Object)
        {
            return schema.ValueKind == JsonValueKind.True;
        }

        if (at == _path.Count || !_effort.Step() || _depth >= MostDepth)
        {
            return true;
        }

        _depth++;
        var has =
            Applied(schema).All(each => Has(each, at))
            && Alternatives(schema).All(some => some.Any(each => Has(each, at)))
            && (HasMember(schema, at) || HasItem(schema, at));
        _depth--;
        return has;
    }

    private bool HasMember(JsonElement schema, int at) =>
        Allows(schema, "object", JsonValueKind.Object) && _path[at] != AnyItem && Members(schema, _path[at]).All(each => Has(each, at + 1));

    private bool HasItem(JsonElement schema, int at)
    {
        if (!Allows(schema, "array", JsonValueKind.Array))
        {
            return false;
        }

        if (_path[at] == AnyItem)
        {
            return Items(schema).Any(each => Has(each, at + 1));
        }

        return int.TryParse(_path[at], NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            && !(schema.TryGetProperty("maxItems", out var most) && most.GetDouble() <= index)
            && Has(ItemOf(schema, index), at + 1);
    }

    /// <summary>What stands at the end of the path, which can be there.</summary>
    private void Collect(JsonElement schema, int at, SortedSet<string> names, SortedSet<string> kinds)
    {
        if (schema.ValueKind != JsonValueKind.Object || !_effort.Step() || _depth >= MostDepth)
        {
            return;
        }

        _depth++;
        CollectHere(schema, at, names, kinds);
        _depth--;
    }

    private void CollectHere(JsonElement schema, int at, SortedSet<string> names, SortedSet<string> kinds)
    {
        foreach (var each in Applied(schema).Concat(Alternatives(schema).SelectMany(some => some)))
        {
            Collect(each, at, names, kinds);
        }

        if (at < _path.Count)
        {
            var index = int.TryParse(_path[at], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : (int?)null;
            var next = Members(schema, _path[at])
                .Concat(
                    _path[at] == AnyItem ? Items(schema)
                    : index is { } item ? [ItemOf(schema, item)]
                    : []
                );
            foreach (var each in next.ToList())
            {
                Collect(each, at + 1, names, kinds);
            }

            return;
        }

        names.UnionWith(
            schema.TryGetProperty("properties", out var members) ? members.EnumerateObject().Select(member => member.Name) : []
        );
        kinds.UnionWith(TypesOf(schema));
    }

    /// <summary>Schemas that hold of the same value.</summary>
    private IEnumerable<JsonElement> Applied(JsonElement schema)
    {
        if (schema.TryGetProperty("$ref", out var reference) && SchemaReferences.Find(_root, reference.GetString()!) is { } named)
        {
            yield return named;
        }

        if (schema.TryGetProperty("allOf", out var all))
        {
            foreach (var each in all.EnumerateArray())
            {
                yield return each;
            }
        }
    }

    /// <summary>Lists of schemas of each of which one has to hold of the same value.</summary>
    private static IEnumerable<IEnumerable<JsonElement>> Alternatives(JsonElement schema)
    {
        if (schema.TryGetProperty("anyOf", out var any))
        {
            yield return any.EnumerateArray();
        }

        if (schema.TryGetProperty("oneOf", out var one))
        {
            yield return one.EnumerateArray();
        }
    }

    /// <summary>Schemas of a member: none says that it may be anything.</summary>
    private IEnumerable<JsonElement> Members(JsonElement schema, string name)
    {
        var isNamed = false;
        if (schema.TryGetProperty("properties", out var members) && members.TryGetProperty(name, out var own))
        {
            isNamed = true;
            yield return own;
        }

        if (schema.TryGetProperty("patternProperties", out var patterns))
        {
            foreach (var pattern in patterns.EnumerateObject())
            {
                if (_effort.Matches(pattern.Name, name) is not { } matches)
                {
                    // Neither what it says counts for certain, nor what is said of all others.
                    yield break;
                }

                if (matches)
                {
                    isNamed = true;
                    yield return pattern.Value;
                }
            }
        }

        if (!isNamed && schema.TryGetProperty("additionalProperties", out var others))
        {
            yield return others;
        }
    }

    private static IEnumerable<JsonElement> Items(JsonElement schema) =>
        (schema.TryGetProperty("prefixItems", out var first) ? first.EnumerateArray() : Enumerable.Empty<JsonElement>()).Append(
            schema.TryGetProperty("items", out var others) ? others : True
        );

    private static JsonElement ItemOf(JsonElement schema, int index) =>
        schema.TryGetProperty("prefixItems", out var first) && index < first.GetArrayLength() ? first[index]
        : schema.TryGetProperty("items", out var others) ? others
        : True;

    private static JsonElement True { get; } = JsonElement.Parse("true");

    private static bool Allows(JsonElement schema, string type, JsonValueKind kind) =>
        (TypesOf(schema) is not { Count: > 0 } types || types.Contains(type, StringComparer.Ordinal))
        && (!schema.TryGetProperty("const", out var only) || only.ValueKind == kind)
        && (!schema.TryGetProperty("enum", out var values) || values.EnumerateArray().Any(value => value.ValueKind == kind));

    private static IReadOnlyList<string> TypesOf(JsonElement schema) =>
        !schema.TryGetProperty("type", out var types) ? []
        : types.ValueKind == JsonValueKind.String ? [types.GetString()!]
        : [.. types.EnumerateArray().Select(type => type.GetString()!)];
}
