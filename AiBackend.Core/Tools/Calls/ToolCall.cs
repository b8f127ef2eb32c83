using AiBackend.ApiContracts.Tools;

namespace AiBackend.Core.Tools.Calls;

/// <summary>Where a call stands. The numbers are stored; never renumber.</summary>
public enum ToolCallState : short
{
    /// <summary>Written down; nothing was sent.</summary>
    Recorded = 1,

    /// <summary>Sent, or given to its client, and no result is written down.</summary>
    Sent = 2,

    /// <summary>There is a result.</summary>
    Done = 3,

    /// <summary>The model is told that it failed.</summary>
    Failed = 4,

    /// <summary>Nobody knows whether it took effect.</summary>
    OutcomeUnknown = 5,

    /// <summary>A person has to approve it first.</summary>
    AwaitingApproval = 6,
}

/// <summary>One call that a model asked for: a row of the ledger of effects.</summary>
public sealed record ToolCall
{
    /// <summary>Which of the model's turns, from 1, counted over all attempts.</summary>
    public required int Round { get; init; }

    /// <summary>Which of the turn's calls, from 0.</summary>
    public required int Position { get; init; }

    /// <summary>The attempt that asked.</summary>
    public required int Attempt { get; init; }

    /// <summary>The model's name for it.</summary>
    public required string CallId { get; init; }

    /// <summary>The tool.</summary>
    public required string Tool { get; init; }

    /// <summary>The pinned version of it.</summary>
    public int Version { get; init; }

    /// <summary>What it does; null when there is nothing to call.</summary>
    public ToolEffect? Effect { get; init; }

    /// <summary>As the model wrote them.</summary>
    public required string Arguments { get; init; }

    /// <summary>The same on every send.</summary>
    public required string EffectId { get; init; }

    /// <summary>Where it stands.</summary>
    public required ToolCallState State { get; init; }

    /// <summary>What the model is given.</summary>
    public string? Result { get; init; }

    /// <summary>What the model wrote beside the calls; with the first of a round.</summary>
    public string? Said { get; init; }

    /// <summary>Of the turn; with the first of a round.</summary>
    public long Tokens { get; init; }

    /// <summary>Of the turn; with the first of a round.</summary>
    public decimal? CostUsd { get; init; }

    /// <summary>Whose wait decides about it.</summary>
    public int? AskedAttempt { get; init; }

    /// <summary>When it was written down.</summary>
    public DateTimeOffset RecordedAt { get; init; }

    /// <summary>When it was sent first.</summary>
    public DateTimeOffset? SentAt { get; init; }

    /// <summary>When its result was written down.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Whether the model can be told what came of it.</summary>
    public bool HasEnded => State is ToolCallState.Done or ToolCallState.Failed;

    /// <summary>Whether somebody else makes it, and has not posted the result yet.</summary>
    public bool IsClients => !HasEnded && Effect == ToolEffect.ExternalWait;
}

/// <summary>Names of <see cref="ToolCallState"/> on the wire.</summary>
public static class ToolCallStateNames
{
    /// <summary>The wire name; one of a newer version reads as <c>unknown</c>.</summary>
    public static string ToWire(this ToolCallState state) =>
        state switch
        {
            ToolCallState.Recorded => ToolCallStates.Recorded,
            ToolCallState.Sent => ToolCallStates.Sent,
            ToolCallState.Done => ToolCallStates.Done,
            ToolCallState.Failed => ToolCallStates.Failed,
            ToolCallState.OutcomeUnknown => ToolCallStates.OutcomeUnknown,
            ToolCallState.AwaitingApproval => ToolCallStates.AwaitingApproval,
            _ => "unknown",
        };
}
