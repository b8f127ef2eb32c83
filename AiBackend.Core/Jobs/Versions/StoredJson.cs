using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Jobs.Versions;

/// <summary>JSON that this installation stored itself. A newer version may have added members, which this one passes over.</summary>
public static class StoredJson
{
    /// <summary>Reads the wire records; unlike <see cref="WireJson.Default"/> it refuses no member.</summary>
    public static WireJson Lenient { get; } =
        new(new JsonSerializerOptions(WireJson.Default.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip });

    /// <summary>The value of a text that may be JSON, such as an answer that a reviewer let pass.</summary>
    /// <returns>Null when it is none, or none that could be sent on.</returns>
    public static JsonElement? ValueOf(string text) => StorableJson.Find(text);
}
