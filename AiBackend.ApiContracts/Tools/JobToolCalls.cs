namespace AiBackend.ApiContracts.Tools;

/// <summary>Answer of <c>GET /api/v1/jobs/{id}/tool-calls</c>.</summary>
/// <param name="Data">In the order in which the model asked.</param>
public sealed record JobToolCalls(IReadOnlyList<JobToolCall> Data);

/// <summary>One call of a registered tool.</summary>
/// <param name="Round">Which of the model's turns asked for it, from 1.</param>
/// <param name="ToolCallId">The model's name for it.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Version">The version of it that the job has pinned.</param>
/// <param name="Effect">One of <see cref="ToolEffects"/>; null when there is no such tool.</param>
/// <param name="Arguments">JSON, as the model wrote it.</param>
/// <param name="EffectId">Sent as <c>Idempotency-Key</c>, each time the same.</param>
/// <param name="State">One of <see cref="ToolCallStates"/>.</param>
public sealed record JobToolCall(
    int Round,
    string ToolCallId,
    string Tool,
    int Version,
    string? Effect,
    string Arguments,
    string EffectId,
    string State
)
{
    /// <summary>What the model was given; null while there is nothing.</summary>
    public string? Result { get; init; }

    /// <summary>The attempt that asked.</summary>
    public int Attempt { get; init; }

    /// <summary>When it was written down, before anything was sent.</summary>
    public DateTimeOffset RecordedAt { get; init; }

    /// <summary>When it was sent, or given to its client; null when it was not.</summary>
    public DateTimeOffset? SentAt { get; init; }

    /// <summary>When its result was written down.</summary>
    public DateTimeOffset? EndedAt { get; init; }
}

/// <summary>Where a call stands.</summary>
public static class ToolCallStates
{
    /// <summary>Written down; nothing was sent.</summary>
    public const string Recorded = "recorded";

    /// <summary>Sent, or given to its client; there is no result yet.</summary>
    public const string Sent = "sent";

    /// <summary>There is a result.</summary>
    public const string Done = "done";

    /// <summary>The model was told that it failed.</summary>
    public const string Failed = "failed";

    /// <summary>It was sent, and nobody knows whether it took effect: a person decides.</summary>
    public const string OutcomeUnknown = "outcome_unknown";

    /// <summary>A person has to approve it before it is sent.</summary>
    public const string AwaitingApproval = "awaiting_approval";
}

/// <summary>Body of <c>POST /api/v1/jobs/{id}/tool-results</c>: what came of one call; either <see cref="Output"/> or <see cref="Error"/>.</summary>
public sealed record ToolResultRequest
{
    /// <summary>The call, as in the event <c>tool_call</c>.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>Its result, at most 65 536 characters; the model is given as much as the tool's limit allows.</summary>
    public string? Output { get; init; }

    /// <summary>Why there is none, for the model; at most 1024 characters.</summary>
    public string? Error { get; init; }
}

/// <summary>Payload of <c>tool_result</c>: what came of a call, without what it said.</summary>
/// <param name="Attempt">The attempt that has it.</param>
/// <param name="ToolCallId">The call.</param>
/// <param name="Tool">The tool.</param>
/// <param name="State">One of <see cref="ToolCallStates"/>.</param>
/// <param name="Seconds">How long it took; null when nothing was sent.</param>
public sealed record ToolResultEvent(int Attempt, string ToolCallId, string Tool, string State, double? Seconds);
