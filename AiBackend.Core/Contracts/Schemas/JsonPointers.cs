using System.Text.Json;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>JSON Pointers (RFC 6901), and those of rules, where <c>*</c> stands for every item or member.</summary>
internal static class JsonPointers
{
    private const string Every = "*";

    public static string Escape(string name) =>
        name.AsSpan().IndexOfAny('~', '/') < 0
            ? name
            : name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    /// <returns>Its parts, or null when it is no pointer.</returns>
    public static IReadOnlyList<string>? Parse(string pointer)
    {
        if (pointer.Length == 0)
        {
            return [];
        }

        if (pointer[0] != '/')
        {
            return null;
        }

        var parts = pointer[1..].Split('/');
        return parts.All(IsEscaped)
            ? [.. parts.Select(part => part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))]
            : null;
    }

    /// <summary>The value at the place that <paramref name="parts"/> name, one by one; no part stands for several.</summary>
    public static JsonElement? Find(JsonElement root, IReadOnlyList<string> parts)
    {
        JsonElement? at = root;
        foreach (var part in parts)
        {
            at = Step(at!.Value, part);
            if (at is null)
            {
                return null;
            }
        }

        return at;
    }

    /// <summary>Every value that the pointer of a rule names.</summary>
    public static IEnumerable<(JsonPlace Place, JsonElement Value)> Select(JsonElement root, IReadOnlyList<string> parts) =>
        parts.Aggregate(
            (IEnumerable<(JsonPlace Place, JsonElement Value)>)[(JsonPlace.Root, root)],
            (values, part) => values.SelectMany(value => Steps(value.Place, value.Value, part))
        );

    private static IEnumerable<(JsonPlace Place, JsonElement Value)> Steps(JsonPlace place, JsonElement value, string part)
    {
        if (part != Every)
        {
            return Step(value, part) is { } one ? [(place.At(part), one)] : [];
        }

        return value.ValueKind switch
        {
            JsonValueKind.Array => value.EnumerateArray().Select((item, index) => (place.At(index), item)),
            JsonValueKind.Object => value.EnumerateObject().Select(member => (place.At(member.Name), member.Value)),
            _ => [],
        };
    }

    private static JsonElement? Step(JsonElement value, string part) =>
        value.ValueKind switch
        {
            JsonValueKind.Object when value.TryGetProperty(part, out var member) => member,
            JsonValueKind.Array when IndexOf(part) is { } index && index < value.GetArrayLength() => value[index],
            _ => null,
        };

    private static int? IndexOf(string part) =>
        part is "0" || (part is { Length: > 0 and < 9 } && part[0] is >= '1' and <= '9' && part.All(char.IsAsciiDigit))
            ? int.Parse(part, System.Globalization.CultureInfo.InvariantCulture)
            : null;

    private static bool IsEscaped(string part)
    {
        for (var at = part.IndexOf('~', StringComparison.Ordinal); at >= 0; at = part.IndexOf('~', at + 1))
        {
            if (at + 1 >= part.Length || part[at + 1] is not ('0' or '1'))
            {
                return false;
            }
        }

        return true;
    }
}
