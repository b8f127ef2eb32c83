using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Workflows;

namespace AiBackend.Core.Workflows;

/// <summary>The input of a run's job: all that it needs, so that a later change of the workflow does not reach it.</summary>
public sealed record RunInput
{
    /// <summary>The workflow's name.</summary>
    public required string Workflow { get; init; }

    /// <summary>Its version.</summary>
    public required int Version { get; init; }

    /// <summary>What it does.</summary>
    public required WorkflowDefinition Definition { get; init; }

    /// <summary>What the steps call <c>input</c>.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>As it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunInputJson.Default.RunInput);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static RunInput Read(string json) => JsonSerializer.Deserialize(json, RunInputJson.Default.RunInput)!;
}

/// <summary>Inputs of runs as they are stored; members that a newer version added are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(RunInput))]
internal sealed partial class RunInputJson : JsonSerializerContext;
