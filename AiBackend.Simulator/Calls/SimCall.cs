using AiBackend.Simulator.Chat;

namespace AiBackend.Simulator.Calls;

/// <summary>One call as it came in and how it ended. Mutable until it has ended; only its own handler writes.</summary>
internal sealed class SimCall
{
    public required string Id { get; init; }
    public required string Model { get; init; }
    public required DateTimeOffset ReceivedAt { get; init; }
    public required bool Stream { get; init; }
    public required IReadOnlyList<SimMessage> Messages { get; init; }
    public int? MaxTokens { get; init; }
    public double? Temperature { get; init; }

    /// <summary>Whether an Authorization header came; never its value.</summary>
    public required bool Authorized { get; init; }

    /// <summary>What kind of answer the caller said it wants.</summary>
    public string? Accept { get; init; }

    /// <summary>The caller's <c>x-request-id</c> or <c>x-client-request-id</c>.</summary>
    public string? RequestId { get; init; }

    /// <summary>The trace the caller sent along.</summary>
    public string? TraceParent { get; init; }

    public int TokensSent { get; set; }
    public int? Status { get; set; }
    public string Outcome { get; set; } = SimOutcomes.Running;
    public DateTimeOffset? EndedAt { get; set; }
}

/// <summary>How a call can have ended.</summary>
internal static class SimOutcomes
{
    public const string Running = "running";
    public const string Completed = "completed";
    public const string ClientAborted = "client_aborted";
    public const string Cut = "cut";
    public const string Failed = "failed";
    public const string RateLimited = "rate_limited";
    public const string Malformed = "malformed";
}
