using System.Text.Json;

namespace AiBackend.Core.Contracts.Schemas;

/// <summary>References within a schema. None leads out of it.</summary>
internal static class SchemaReferences
{
    /// <returns>The schema that is meant, or null when there is none.</returns>
    public static JsonElement? Find(JsonElement root, string reference) =>
        reference.StartsWith('#') && JsonPointers.Parse(Uri.UnescapeDataString(reference[1..])) is { } parts
            ? JsonPointers.Find(root, parts) is { ValueKind: JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False } found
                ? found
                : null
            : null;
}
