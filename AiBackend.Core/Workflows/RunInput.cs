using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;

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

    /// <summary>The tools that its steps name, in the version of its acceptance; null when they name none.</summary>
    public IReadOnlyList<PinnedTool>? Tools { get; init; }

    /// <summary>What all its steps may use together; null is no limit.</summary>
    public RunLimits? Limits { get; init; }

    /// <summary>What it goes on from; null begins anew.</summary>
    public TakenOver? TakenOver { get; init; }

    /// <summary>As it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunInputJson.Default.RunInput);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static RunInput Read(string json) => JsonSerializer.Deserialize(json, RunInputJson.Default.RunInput)!;
}

/// <summary>What a run takes over from an earlier one.</summary>
/// <param name="Run">The earlier run.</param>
/// <param name="Steps">Steps of it that are not done again.</param>
/// <param name="Given">Values in place of what steps gave, by step.</param>
public sealed record TakenOver(Guid Run, IReadOnlyList<string> Steps, IReadOnlyDictionary<string, JsonElement> Given);

/// <summary>Inputs of runs as they are stored; members that a newer version added are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(RunInput))]
internal sealed partial class RunInputJson : JsonSerializerContext;
