using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Tools;

namespace AiBackend.Core.Tools;

/// <summary>What a call does. The numbers are stored; never renumber.</summary>
public enum ToolEffect : short
{
    /// <summary>Nothing.</summary>
    Read = 1,

    /// <summary>Something, for one effect id only once.</summary>
    WriteIdempotent = 2,

    /// <summary>Something, each time it arrives.</summary>
    Write = 3,

    /// <summary>Somebody else does it, and posts the result.</summary>
    ExternalWait = 4,
}

/// <summary>One version of a tool.</summary>
public sealed record ToolDefinition
{
    /// <summary>What a result is cut to where nothing else is said.</summary>
    public const int DefaultResultBytes = 16 * 1024;

    /// <summary>What jobs and models call it.</summary>
    [JsonIgnore]
    public string Name { get; init; } = "";

    /// <summary>From 1; 0 comes with the product.</summary>
    [JsonIgnore]
    public int Version { get; init; }

    /// <summary>One of <see cref="ToolKinds"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>What it is for, in words for the model.</summary>
    public string? Description { get; init; }

    /// <summary>JSON Schema of its arguments.</summary>
    public JsonElement? Parameters { get; init; }

    /// <summary>What a call does.</summary>
    public required ToolEffect Effect { get; init; }

    /// <summary>How long a call, or its result, may take.</summary>
    public required int TimeoutSeconds { get; init; }

    /// <summary>Bytes of a result at most.</summary>
    public int MaxResultBytes { get; init; } = DefaultResultBytes;

    /// <summary>Calls a minute, of all jobs of the tenant together; null is as many as are asked for.</summary>
    public int? CallsPerMinute { get; init; }

    /// <summary>Where its calls go.</summary>
    public string? Url { get; init; }

    /// <summary>The operator's MCP server, in place of an address.</summary>
    public string? Server { get; init; }

    /// <summary>What its MCP server calls it; null when that is its name.</summary>
    public string? RemoteName { get; init; }

    /// <summary>Where it is asked what became of a call.</summary>
    public string? VerifyUrl { get; init; }

    /// <summary>Name of the secret header.</summary>
    public string? HeaderName { get; init; }

    /// <summary>Whether a person has to approve each call.</summary>
    public bool NeedsApproval { get; init; }

    /// <summary>Whose jobs may use it; null is all.</summary>
    public IReadOnlyList<string>? Keys { get; init; }

    /// <summary>Value of the header, sealed.</summary>
    [JsonIgnore]
    public byte[]? Secret { get; init; }

    /// <summary>When this version was made.</summary>
    [JsonIgnore]
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>Who made it.</summary>
    [JsonIgnore]
    public string? CreatedBy { get; init; }

    /// <summary>Whether jobs of a key may use it.</summary>
    public bool IsFor(string? keyId) => Keys is null || (keyId is not null && Keys.Contains(keyId, StringComparer.Ordinal));

    internal string ToColumn() => JsonSerializer.Serialize(this, ToolJson.Default.ToolDefinition);

    internal static ToolDefinition Read(string column) => JsonSerializer.Deserialize(column, ToolJson.Default.ToolDefinition)!;
}

/// <summary>Names of <see cref="ToolEffect"/> on the wire.</summary>
public static class ToolEffectNames
{
    /// <summary>The wire name; one of a newer version reads as <c>unknown</c>.</summary>
    public static string ToWire(this ToolEffect effect) =>
        effect switch
        {
            ToolEffect.Read => ToolEffects.Read,
            ToolEffect.WriteIdempotent => ToolEffects.WriteIdempotent,
            ToolEffect.Write => ToolEffects.Write,
            ToolEffect.ExternalWait => ToolEffects.ExternalWait,
            _ => "unknown",
        };

    /// <returns>Null when there is no such effect.</returns>
    public static ToolEffect? Parse(string? name) =>
        name switch
        {
            ToolEffects.Read => ToolEffect.Read,
            ToolEffects.WriteIdempotent => ToolEffect.WriteIdempotent,
            ToolEffects.Write => ToolEffect.Write,
            ToolEffects.ExternalWait => ToolEffect.ExternalWait,
            _ => null,
        };
}

/// <summary>Definitions as they are stored. A newer version may have added members, which this one passes over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(ToolDefinition))]
internal sealed partial class ToolJson : JsonSerializerContext;
