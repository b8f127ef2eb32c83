using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>What happened to a job, when, and what it cost: the answer of <c>GET /api/v1/jobs/{id}/trace</c>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="TraceId">W3C trace id of the request that submitted it.</param>
/// <param name="Attempts">Every attempt, oldest first.</param>
/// <param name="Waits">Every time span in which nobody worked on it, oldest first.</param>
public sealed record JobTrace(Guid JobId, string? TraceId, IReadOnlyList<AttemptTrace> Attempts, IReadOnlyList<WaitTrace> Waits)
{
    /// <summary>The provider calls as the ledger has them, oldest first: what was set aside for each, and what it cost.</summary>
    public IReadOnlyList<LedgerEntry> Ledger { get; init; } = [];
}

/// <summary>One provider call in the ledger, written down before it was made.</summary>
public sealed record LedgerEntry
{
    /// <summary>Its name, which the provider was told as <c>X-Client-Request-Id</c>: job, lease and number of the call.</summary>
    public required string Call { get; init; }

    /// <summary>The provider's configured name.</summary>
    public required string Provider { get; init; }

    /// <summary>Model asked for.</summary>
    public required string Model { get; init; }

    /// <summary>
    /// <c>reserved</c> (its money is set aside), <c>sent</c>, <c>settled</c> (what it cost is known), <c>released</c> (it was not made) or
    /// <c>unknown_spend</c> (nobody knows what it used, so what it was likely to use, or what was read of it, counts).
    /// </summary>
    public required string State { get; init; }

    /// <summary>Version of the price it was made at; null when there was none, so that its cost is unknown.</summary>
    public int? PriceVersion { get; init; }

    /// <summary>US dollars set aside for it; null without a price.</summary>
    public decimal? ReservedUsd { get; init; }

    /// <summary>US dollars it cost; null while that is not known.</summary>
    public decimal? CostUsd { get; init; }

    /// <summary>Tokens read; null while that is not known, like the others.</summary>
    public long? InputTokens { get; init; }

    /// <summary>Those of them that the provider had cached.</summary>
    public long? CachedTokens { get; init; }

    /// <summary>Tokens written.</summary>
    public long? OutputTokens { get; init; }

    /// <summary>Those of them that the model thought.</summary>
    public long? ReasoningTokens { get; init; }

    /// <summary>Whether the provider reported a usage that cannot be true; then what it reported is not booked.</summary>
    public bool UsageDisputed { get; init; }

    /// <summary>When it was written down.</summary>
    public required DateTimeOffset ReservedAt { get; init; }

    /// <summary>When it was settled or released; null while it is neither.</summary>
    public DateTimeOffset? EndedAt { get; init; }
}

/// <summary>One attempt and how it ended.</summary>
public sealed record AttemptTrace
{
    /// <summary>Number from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary><c>running</c>, <c>succeeded</c>, <c>partial</c>, <c>failed</c>, <c>cancelled</c>, <c>interrupted</c>, <c>lost</c> or <c>asked</c>.</summary>
    public required string Outcome { get; init; }

    /// <summary>Name of the worker that ran it; null to whoever may not list workers.</summary>
    public string? Worker { get; init; }

    /// <summary>Provider of the last call; null when none was made.</summary>
    public string? Provider { get; init; }

    /// <summary>Model asked for.</summary>
    public string? Model { get; init; }

    /// <summary>Model the provider says it used.</summary>
    public string? ModelVersion { get; init; }

    /// <summary>Deployments that failed before this one answered.</summary>
    public int Fallbacks { get; init; }

    /// <summary>When the attempt was claimed.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When the first text arrived; null when none did.</summary>
    public DateTimeOffset? FirstTokenAt { get; init; }

    /// <summary>When it ended; null while it runs.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Tokens and cost; null when the provider reported none.</summary>
    public JobUsage? Usage { get; init; }

    /// <summary>Why it failed; null when it did not.</summary>
    public JobError? Error { get; init; }

    /// <summary>Every provider call in order, also those that failed before another one answered.</summary>
    public IReadOnlyList<CallTrace> Calls { get; init; } = [];

    /// <summary>What was found when its answers were laid beside their contract, in order; empty without a contract.</summary>
    public IReadOnlyList<ContractCheck> Checks { get; init; } = [];
}

/// <summary>One provider call of an attempt.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">Model asked for.</param>
/// <param name="ModelVersion">Model the provider says it used; null when it said nothing.</param>
/// <param name="AfterSeconds">Seconds from the start of the attempt.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Usage">Tokens and cost; null when the provider reported none.</param>
/// <param name="Error">
/// Why it failed; null when it did not, or was cut off. <c>retry_budget_spent</c>, <c>provider_circuit_open</c>,
/// <c>provider_limit_reached</c>: it was not made, because the provider fails too often, is down, or allows no more for now.
/// </param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Skip)]
public sealed record CallTrace(
    string Provider,
    string Model,
    string? ModelVersion,
    double AfterSeconds,
    double Seconds,
    JobUsage? Usage,
    JobError? Error
)
{
    /// <summary>Version of the route that led to it, when an operator set that route; null otherwise.</summary>
    public int? RouteVersion { get; init; }
}

/// <summary>A time span in which nobody worked on the job.</summary>
/// <param name="Reason"><c>scheduled</c>, <c>queued</c>, <c>retrying</c>, <c>waiting_for_tool</c> or <c>waiting_for_review</c>.</param>
/// <param name="From">Begin.</param>
/// <param name="To">End; null while it lasts.</param>
public sealed record WaitTrace(string Reason, DateTimeOffset From, DateTimeOffset? To);
