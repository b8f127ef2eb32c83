using System.Text.Json;

namespace AiBackend.Core.Contracts.Rules;

/// <summary>Values that are the same however they are written: <c>1</c> and <c>1.0</c>, escapes, members in another order.</summary>
internal sealed class JsonEquality : IEqualityComparer<JsonElement>
{
    public static readonly JsonEquality Instance = new();

    public bool Equals(JsonElement x, JsonElement y) => JsonElement.DeepEquals(x, y);

    public int GetHashCode(JsonElement obj) =>
        obj.ValueKind switch
        {
            JsonValueKind.Number => obj.GetDouble().GetHashCode(),
            JsonValueKind.String => StringComparer.Ordinal.GetHashCode(obj.GetString()!),
            JsonValueKind.Array => obj.EnumerateArray().Aggregate(17, (hash, item) => HashCode.Combine(hash, GetHashCode(item))),
            // In any order.
            JsonValueKind.Object => obj.EnumerateObject()
                .Aggregate(19, (hash, member) => hash ^ HashCode.Combine(member.Name, GetHashCode(member.Value))),
            var kind => (int)kind,
        };
}
