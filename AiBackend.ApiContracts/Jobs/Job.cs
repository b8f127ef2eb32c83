using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Conversations;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>A job as every endpoint returns it.</summary>
public sealed record Job
{
    /// <summary>UUIDv7; its order is the order of creation.</summary>
    public required Guid Id { get; init; }

    /// <summary>Always <c>job</c>.</summary>
    public string Object { get; init; } = "job";

    /// <summary>Kind of work, as submitted.</summary>
    public required string Type { get; init; }

    /// <summary>One of <see cref="JobStatuses"/>.</summary>
    public required string Status { get; init; }

    /// <summary>Route or model name, as submitted.</summary>
    public required string Model { get; init; }

    /// <summary>The caller's feature, or null.</summary>
    public string? Feature { get; init; }

    /// <summary><c>interactive</c>, <c>standard</c> or <c>batch</c>.</summary>
    public required string Priority { get; init; }

    /// <summary>When the job was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was first claimed by a worker; null before that.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it reached a terminal status; null before that.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>Number of the latest attempt, from 1; 0 before the first.</summary>
    public required int Attempt { get; init; }

    /// <summary>Tries allowed before the job fails for good.</summary>
    public required int MaxAttempts { get; init; }

    /// <summary>Why and how long the job waits; null once it runs or has ended.</summary>
    public QueuePlace? Queue { get; init; }

    /// <summary>When a <c>scheduled</c> or <c>retrying</c> job becomes due; null otherwise.</summary>
    public DateTimeOffset? NextAttemptAt { get; init; }

    /// <summary>Latest useful moment, as submitted.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>What the job produced; null until there is something. Lists leave it out.</summary>
    public JobOutput? Output { get; init; }

    /// <summary>Why the job failed or waits for a retry; null otherwise.</summary>
    public JobError? Error { get; init; }

    /// <summary>Tokens and cost over all attempts; null until a provider reported some.</summary>
    public JobUsage? Usage { get; init; }

    /// <summary>Who produced the output; null until there is one.</summary>
    public ServedBy? ServedBy { get; init; }

    /// <summary>Whether the output kept its contract; null when the job has none.</summary>
    public JobContract? Contract { get; init; }

    /// <summary>Files that the model is given; left out when there are none, and in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<JobFile>? Attachments { get; init; }

    /// <summary>Files that the job has made; left out when there are none, and in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<JobFile>? Artifacts { get; init; }

    /// <summary>The conversation that the job continues, or null.</summary>
    public Guid? ConversationId { get; init; }

    /// <summary>What the latest model was given of the conversation, with sizes; null before that, and without a conversation.</summary>
    public JobContext? Context { get; init; }

    /// <summary>W3C trace id of the request that submitted the job.</summary>
    public string? TraceId { get; init; }

    /// <summary>The job this one replays, or null.</summary>
    public Guid? ReplayOf { get; init; }

    /// <summary>First words of the request, at most 80 characters, for lists and titles; null when the input has no text.</summary>
    public string? Title { get; init; }

    /// <summary>The submitter's own pairs.</summary>
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Where to go from here.</summary>
    public required JobLinks Links { get; init; }
}

/// <summary>Why a job waits, and how long it may take.</summary>
/// <param name="Position">Approximate number of jobs ahead, from 0; null when unknown.</param>
/// <param name="EtaP50">Seconds until start in the typical case; null when unknown.</param>
/// <param name="EtaP90">Seconds until start in nine of ten cases; null when unknown.</param>
/// <param name="WaitingReason"><c>capacity</c>, <c>backoff</c>, <c>scheduled</c>, <c>tool</c>, <c>review</c>, <c>isolation</c>,
/// <c>retry_budget:</c> or <c>provider_down:</c> and a provider, <c>rate_limit:</c> with a provider and a limit, <c>budget:</c> with a scope and a window, <c>conversation:</c> and the job that comes first, or another reason code.</param>
public sealed record QueuePlace(long? Position, double? EtaP50, double? EtaP90, string? WaitingReason);

/// <summary>What a job produced.</summary>
/// <param name="Text">The text: exactly the fold of the last attempt's events.</param>
/// <param name="Json">The parsed value when a contract asked for JSON; null otherwise.</param>
/// <param name="Missing">What a partially completed job could not deliver, and why; empty otherwise.</param>
public sealed record JobOutput(string Text, JsonElement? Json, IReadOnlyList<string> Missing)
{
    /// <summary>Tools the model asked for; empty when it asked for none.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

    /// <summary>Why the answer is over: <c>stop</c>, <c>length</c>, <c>tool_calls</c>, <c>content_filter</c> or the provider's own word; null when nobody said.</summary>
    public string? FinishReason { get; init; }
}

/// <summary>Whether the output kept its contract.</summary>
/// <param name="Valid">It does.</param>
/// <param name="FirstPass">It did at once, without repair.</param>
/// <param name="Repairs">Repairs it took.</param>
public sealed record JobContract(bool Valid, bool FirstPass, int Repairs)
{
    /// <summary>What the last look at the answer found: one of <see cref="Verdicts"/>.</summary>
    public string Verdict { get; init; } = Verdicts.Valid;

    /// <summary>What was wrong then.</summary>
    public IReadOnlyList<ContractViolation> Violations { get; init; } = [];
}

/// <summary>Why an attempt or a job failed.</summary>
/// <param name="Code">Stable code for programs, for example <c>provider_timeout</c>.</param>
/// <param name="Class"><c>transient</c>, <c>rate_limited</c>, <c>caller_error</c>, <c>contract_violation</c>, <c>provider_auth</c> or <c>unknown</c>.</param>
/// <param name="Message">One sentence for people, with what they can do.</param>
/// <param name="Retryable">Whether the same job may succeed when replayed unchanged.</param>
public sealed record JobError(string Code, string Class, string Message, bool Retryable);

/// <summary>Tokens and money of a job.</summary>
/// <param name="InputTokens">Tokens read, in tokens.</param>
/// <param name="CachedTokens">Those of <paramref name="InputTokens"/> the provider had cached.</param>
/// <param name="OutputTokens">Tokens written.</param>
/// <param name="CostUsd">Cost in US dollars; null when the deployment has no price.</param>
public sealed record JobUsage(long InputTokens, long CachedTokens, long OutputTokens, decimal? CostUsd)
{
    /// <summary>Those of <see cref="OutputTokens"/> the model thought; left out when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long ReasoningTokens { get; init; }
}

/// <summary>Who produced an answer.</summary>
/// <param name="Provider">Name of the configured provider.</param>
/// <param name="Model">Model asked for.</param>
/// <param name="ModelVersion">Model the provider says it used; null when it does not say.</param>
/// <param name="Fallbacks">Deployments that failed before this one answered.</param>
/// <param name="Simulated">True when no real model was involved.</param>
public sealed record ServedBy(string Provider, string Model, string? ModelVersion, int Fallbacks, bool Simulated)
{
    /// <summary>Stored prompt and its version, <c>name@version</c>; null when the caller wrote the messages.</summary>
    public string? Prompt { get; init; }

    /// <summary>A provider was asked.</summary>
    public const string Miss = "miss";

    /// <summary><c>miss</c> when a provider was asked, <c>hit</c> when the answer of an equal job was there, <c>follower</c> when the job had waited for it.</summary>
    public string Cache { get; init; } = Miss;
}

/// <summary>Addresses of a job, relative to the API's root.</summary>
/// <param name="Self">The job.</param>
/// <param name="Events">Its event log, as server-sent events.</param>
/// <param name="Cancel">Cancels it.</param>
public sealed record JobLinks(string Self, string Events, string Cancel)
{
    /// <summary>The links of the job with this id.</summary>
    public static JobLinks Of(Guid id) => new($"/api/v1/jobs/{id}", $"/api/v1/jobs/{id}/events", $"/api/v1/jobs/{id}/cancel");
}

/// <summary>A page of jobs, newest first.</summary>
/// <param name="Data">The jobs, without their output.</param>
/// <param name="NextCursor">Pass as <c>cursor</c> for the next page; null on the last.</param>
public sealed record JobPage(IReadOnlyList<Job> Data, string? NextCursor);

/// <summary>Every status on the wire.</summary>
public static class JobStatuses
{
    /// <summary>Not before a given time.</summary>
    public const string Scheduled = "scheduled";

    /// <summary>Waiting for a slot or a limit.</summary>
    public const string Queued = "queued";

    /// <summary>Leased by a worker.</summary>
    public const string Processing = "processing";

    /// <summary>Needs an external tool result.</summary>
    public const string WaitingForTool = "waiting_for_tool";

    /// <summary>A person must decide.</summary>
    public const string WaitingForReview = "waiting_for_review";

    /// <summary>Failed in a retryable way; the next attempt has a time.</summary>
    public const string Retrying = "retrying";

    /// <summary>Ended well.</summary>
    public const string Completed = "completed";

    /// <summary>Ended with useful but incomplete output.</summary>
    public const string PartiallyCompleted = "partially_completed";

    /// <summary>Ended without useful output.</summary>
    public const string Failed = "failed";

    /// <summary>Ended by a caller or operator.</summary>
    public const string Cancelled = "cancelled";

    /// <summary>Whether a job with this status can still change. False for the four final ones.</summary>
    public static bool IsTerminal(string status) => status is Completed or PartiallyCompleted or Failed or Cancelled;
}
