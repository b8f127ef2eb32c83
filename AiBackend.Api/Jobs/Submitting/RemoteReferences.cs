using System.Text.Json;
using AiBackend.Api.Problems;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>References in schemas that are passed on: who reads such a schema, here or at a provider, must have nothing to fetch.</summary>
internal static class RemoteReferences
{
    private static readonly HashSet<string> Names = new(StringComparer.Ordinal) { "$ref", "$dynamicRef", "$recursiveRef" };

    /// <summary>What they hold is data and no schema.</summary>
    private static readonly HashSet<string> Data = new(StringComparer.Ordinal) { "const", "enum", "default", "examples" };

    /// <summary>Their members are schemas with names of the caller's own.</summary>
    private static readonly HashSet<string> Named = new(StringComparer.Ordinal)
    {
        "properties",
        "patternProperties",
        "dependentSchemas",
        "$defs",
        "definitions",
    };

    /// <param name="schema">Where to look.</param>
    /// <param name="path">Its place.</param>
    /// <returns>Why the first one that leads out of the schema is refused; null when there is none.</returns>
    public static Refusal? Find(JsonElement schema, string path) => Find(schema, path, hasNames: false);

    private static Refusal? Find(JsonElement schema, string path, bool hasNames)
    {
        switch (schema.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in schema.EnumerateObject())
                {
                    var place = $"{path}.{member.Name}";
                    // A property may be called so; then its schema is here and no text.
                    if (
                        Names.Contains(member.Name)
                        && member.Value.ValueKind is JsonValueKind.String
                        && !IsWithin(member.Value.GetString()!)
                    )
                    {
                        return Refuse(place, member.Value.GetString()!);
                    }

                    if (!IsData(member, hasNames) && Find(member.Value, place, !hasNames && Named.Contains(member.Name)) is { } inside)
                    {
                        return inside;
                    }
                }

                return null;
            case JsonValueKind.Array:
                var index = 0;
                foreach (var item in schema.EnumerateArray())
                {
                    if (Find(item, FormattableString.Invariant($"{path}[{index++}]"), hasNames: false) is { } inside)
                    {
                        return inside;
                    }
                }

                return null;
            default:
                return null;
        }
    }

    // A property may be called so too.
    private static bool IsData(JsonProperty member, bool hasNames) => !hasNames && Data.Contains(member.Name);

    private static bool IsWithin(string reference) => reference.StartsWith('#');

    private static Refusal Refuse(string place, string reference) =>
        ProblemTypes.InvalidValue.At(
            place,
            $"{Quoted.Of(place)} is {Quoted.Of(reference)}, which leads out of the schema. Put what it means into $defs, and begin the reference with #."
        );
}
