using System.Globalization;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Bounds of the submitter's own pairs, and how they are stored.</summary>
internal static class MetadataRules
{
    private const int MaxPairs = 16;
    private const int MaxKeyLength = 64;
    private const int MaxValueLength = 512;

    public static void Check(IReadOnlyDictionary<string, string>? metadata, FieldErrors errors)
    {
        if (metadata is null)
        {
            return;
        }

        if (metadata.Count > MaxPairs)
        {
            errors.Add(
                "metadata",
                string.Create(CultureInfo.InvariantCulture, $"has {metadata.Count} pairs; at most {MaxPairs} are allowed.")
            );
            return;
        }

        foreach (var (key, value) in metadata)
        {
            if (key.Length is 0 or > MaxKeyLength)
            {
                errors.Add("metadata", $"has the key {Quoted.Of(key)}; keys have 1 to {MaxKeyLength} characters.");
            }
            else if (value is null)
            {
                errors.Add($"metadata.{key}", "is null; send a string, or leave the key out.");
            }
            else if (value.Length > MaxValueLength)
            {
                errors.Add($"metadata.{key}", $"has {value.Length} characters; at most {MaxValueLength} are allowed.");
            }
        }
    }

    /// <summary>A JSON object with sorted keys, so that the same pairs are the same text; null when there are none.</summary>
    public static string? ToJson(IReadOnlyDictionary<string, string>? metadata) =>
        metadata is not { Count: > 0 }
            ? null
            : JsonSerializer.Serialize(
                new SortedDictionary<string, string>(metadata.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal),
                WireJson.Default.IReadOnlyDictionaryStringString
            );
}
