using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Jobs;

/// <summary>What happened to a job, when, and what it cost: the answer of <c>GET /api/v1/jobs/{id}/trace</c>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="TraceId">W3C trace id of the request that submitted it.</param>
/// <param name="Attempts">Every attempt, oldest first.</param>
/// <param name="Waits">Every time span in which nobody worked on it, oldest first.</param>
public sealed record JobTrace(Guid JobId, string? TraceId, IReadOnlyList<AttemptTrace> Attempts, IReadOnlyList<WaitTrace> Waits);

/// <summary>One attempt and how it ended.</summary>
public sealed record AttemptTrace
{
    /// <summary>Number from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary><c>running</c>, <c>succeeded</c>, <c>partial</c>, <c>failed</c>, <c>cancelled</c>, <c>interrupted</c>, <c>lost</c> or <c>asked</c>.</summary>
    public required string Outcome { get; init; }

    /// <summary>Name of the worker that ran it.</summary>
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
);

/// <summary>A time span in which nobody worked on the job.</summary>
/// <param name="Reason"><c>scheduled</c>, <c>queued</c>, <c>retrying</c>, <c>waiting_for_tool</c> or <c>waiting_for_review</c>.</param>
/// <param name="From">Begin.</param>
/// <param name="To">End; null while it lasts.</param>
public sealed record WaitTrace(string Reason, DateTimeOffset From, DateTimeOffset? To);
