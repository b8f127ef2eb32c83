using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.ApiContracts.Reviews;

/// <summary>Why a person has to decide about a result.</summary>
/// <param name="Reason">One of <see cref="ReviewReasons"/>.</param>
public sealed record ReviewQuestion(string Reason)
{
    /// <summary>For <c>contract</c>: what was found.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContractCheck? Check { get; init; }

    /// <summary>For <c>tool_approval</c> and <c>outcome_unknown</c>: the calls, with the exact arguments. Such a review proposes no result: the job goes on, or fails.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ToolQuestion>? Calls { get; init; }

    /// <summary>For <c>step</c>: what the workflow asks.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }
}

/// <summary>Reasons of reviews.</summary>
public static class ReviewReasons
{
    /// <summary>The answer breaks its contract.</summary>
    public const string Contract = "contract";

    /// <summary>The model asks for tools that need a person's approval. To continue approves the calls.</summary>
    public const string ToolApproval = "tool_approval";

    /// <summary>A call was sent, and nobody knows whether it took effect. To continue tells the model what the reviewer found.</summary>
    public const string OutcomeUnknown = "outcome_unknown";

    /// <summary>A step of a workflow asks whether a value is right. Nobody can make it anew: it is approved, perhaps changed, or refused.</summary>
    public const string Step = "step";
}

/// <summary>A call that a person has to decide about.</summary>
/// <param name="ToolCallId">The model's name for it.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Version">The version of it that the job has pinned.</param>
/// <param name="Arguments">JSON, exactly as it is or was sent.</param>
/// <param name="EffectId">What the receiver has it under.</param>
public sealed record ToolQuestion(string ToolCallId, string Tool, int Version, string Arguments, string EffectId);
