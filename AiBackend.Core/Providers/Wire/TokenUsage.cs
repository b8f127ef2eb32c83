using System.Runtime.InteropServices;
using System.Text.Json;

namespace AiBackend.Core.Providers.Wire;

/// <summary>Token counts as a provider reported them.</summary>
/// <param name="Input">All tokens read, also those from a cache.</param>
/// <param name="Cached">How many of them came from a cache.</param>
/// <param name="Output">Tokens written, also in thinking.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TokenUsage(long Input, long Cached, long Output)
{
    /// <summary>Those of <see cref="Output"/> that were thinking, where the provider tells them apart.</summary>
    public long Reasoning { get; init; }

    /// <summary>No model reads or writes this much in one call; a larger count is a lie, and would be billed.</summary>
    private const long MaxBelievable = 100_000_000;

    /// <summary>Reads the value of the member the reader stands on.</summary>
    /// <param name="reader">Stands on the member's name.</param>
    /// <param name="isDisputed">Set when something is said that cannot be true.</param>
    /// <returns>Null when it is not a believable count: unknown is better than wrong.</returns>
    public static long? Count(ref Utf8JsonReader reader, ref bool isDisputed)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var count) && count is >= 0 and <= MaxBelievable)
        {
            return count;
        }

        isDisputed |= reader.TokenType != JsonTokenType.Null;
        reader.Skip();
        return null;
    }

    /// <summary>A part of a count, which is no larger than the whole.</summary>
    public static long PartOf(long whole, long? part, ref bool isDisputed)
    {
        isDisputed |= part > whole;
        return Math.Min(part ?? 0, whole);
    }
}
