using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>One entry of a job's event log, as the hub and the JSON page deliver it.</summary>
/// <param name="Seq">Gapless number from 1.</param>
/// <param name="Event">One of <see cref="JobEventTypes"/>.</param>
/// <param name="Data">The payload; its shape depends on <paramref name="Event"/>.</param>
public sealed record JobEvent(int Seq, string Event, JsonElement Data);

/// <summary>A page of a job's event log.</summary>
/// <param name="Data">Events in order.</param>
/// <param name="NextAfter">Pass as <c>after</c> to continue; null when the log has ended.</param>
public sealed record JobEventPage(IReadOnlyList<JobEvent> Data, int? NextAfter);

/// <summary>Event types on the wire. Readers ignore a type they do not know.</summary>
public static class JobEventTypes
{
    /// <summary>The job changed its status: <see cref="StateEvent"/>.</summary>
    public const string State = "state";

    /// <summary>Text to append: <see cref="DeltaEvent"/>.</summary>
    public const string Delta = "delta";

    /// <summary>Text that replaces all of an attempt's text so far: <see cref="SnapshotEvent"/>.</summary>
    public const string Snapshot = "snapshot";

    /// <summary>The text so far of an attempt no longer counts; the attempt may go on or not: <see cref="ResetEvent"/>.</summary>
    public const string Reset = "reset";

    /// <summary>What follows was written by another call than the text before; it is appended: <see cref="ContinuedEvent"/>.</summary>
    public const string Continued = "continued";

    /// <summary>The model asks for a tool; a reset takes it away like text: <see cref="ToolCallEvent"/>.</summary>
    public const string ToolCall = "tool_call";

    /// <summary>A registered tool that the model asked for has ended, one way or another: <see cref="Tools.ToolResultEvent"/>.</summary>
    public const string ToolResult = "tool_result";

    /// <summary>Tokens and cost: <see cref="UsageEvent"/>.</summary>
    public const string Usage = "usage";

    /// <summary>Something worth telling a person: <see cref="NoticeEvent"/>.</summary>
    public const string Notice = "notice";

    /// <summary>The job has ended; always the last event: <see cref="FinalEvent"/>.</summary>
    public const string Final = "final";
}

/// <summary>Payload of <c>state</c>.</summary>
/// <param name="Status">The new status.</param>
/// <param name="Attempt">Number of the latest attempt; 0 before the first.</param>
/// <param name="WaitingReason">Why it waits; null when it does not.</param>
/// <param name="NextAttemptAt">When a waiting job becomes due; null when that depends on others.</param>
/// <param name="Position">About how many jobs were ahead then; null when unknown, or when it does not wait.</param>
/// <param name="EtaP50">Seconds from then until start in the typical case; null when unknown.</param>
/// <param name="EtaP90">Seconds from then until start in nine of ten cases; null when unknown.</param>
/// <param name="Excused">Whether the attempt ended as no failed try: nobody could be asked, the provider allowed no more, or its worker stopped.</param>
public sealed record StateEvent(
    string Status,
    int Attempt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? WaitingReason = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? NextAttemptAt = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Position = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? EtaP50 = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? EtaP90 = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Excused = false
);

/// <summary>Payload of <c>delta</c>.</summary>
/// <param name="Attempt">The attempt that wrote the text.</param>
/// <param name="Text">Append this.</param>
public sealed record DeltaEvent(int Attempt, string Text);

/// <summary>Payload of <c>snapshot</c>.</summary>
/// <param name="Attempt">The attempt that wrote the text.</param>
/// <param name="Text">All of its text up to this event's seq.</param>
public sealed record SnapshotEvent(int Attempt, string Text);

/// <summary>Payload of <c>reset</c>.</summary>
/// <param name="Attempt">The attempt whose text so far no longer counts.</param>
/// <param name="Reason">Why, as a code: <c>stream_cut</c> (the attempt goes on and writes its text anew), <c>provider_failure</c>, <c>worker_lost</c>, <c>worker_draining</c>, <c>waiting_for_tool</c>, <c>tool_calls</c> (registered tools are run, then the model goes on),
/// <c>review_continued</c>, <c>review_rejected</c>, <c>wait_timeout</c>.</param>
public sealed record ResetEvent(int Attempt, string Reason);

/// <summary>Payload of <c>continued</c>.</summary>
/// <param name="Attempt">The attempt whose text goes on.</param>
/// <param name="Reason">Why it was interrupted, as a code: <c>stream_cut</c>.</param>
public sealed record ContinuedEvent(int Attempt, string Reason);

/// <summary>Payload of <c>usage</c>.</summary>
/// <param name="Attempt">The attempt that used them.</param>
/// <param name="InputTokens">Tokens read.</param>
/// <param name="CachedTokens">Those of them the provider had cached.</param>
/// <param name="OutputTokens">Tokens written.</param>
/// <param name="CostUsd">Cost in US dollars; null when the deployment has no price.</param>
public sealed record UsageEvent(int Attempt, long InputTokens, long CachedTokens, long OutputTokens, decimal? CostUsd)
{
    /// <summary>Those of <see cref="OutputTokens"/> the model thought; left out when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long ReasoningTokens { get; init; }
}

/// <summary>Payload of <c>notice</c>.</summary>
/// <param name="Code">Stable code for programs, for example <c>provider_failover</c>.</param>
/// <param name="Message">One sentence for people.</param>
public sealed record NoticeEvent(string Code, string Message);

/// <summary>Payload of <c>final</c>.</summary>
/// <param name="Job">The job as it ended.</param>
public sealed record FinalEvent(Job Job);
