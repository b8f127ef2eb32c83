namespace AiBackend.ApiContracts.Operations;

/// <summary>How the system does: the answer of <c>GET /api/v1/stats</c>. Durations are in seconds.</summary>
public sealed record Stats
{
    /// <summary>Length of the window that percentiles and counts cover, in seconds.</summary>
    public required int WindowSeconds { get; init; }

    /// <summary>When the numbers were taken.</summary>
    public required DateTimeOffset AsOf { get; init; }

    /// <summary>What waits now, by priority.</summary>
    public required IReadOnlyList<QueueDepth> Queue { get; init; }

    /// <summary>What waits now, by pool, <c>default</c> first.</summary>
    public IReadOnlyList<PoolDepth> Pools { get; init; } = [];

    /// <summary>Jobs leased by a worker now.</summary>
    public required long Processing { get; init; }

    /// <summary>Jobs that failed for good and were neither replayed nor discarded.</summary>
    public required long DeadLetters { get; init; }

    /// <summary>Percentiles of finished jobs in the window, by type and model.</summary>
    public required IReadOnlyList<LatencyGroup> Latency { get; init; }

    /// <summary>Finished jobs in the window by terminal status.</summary>
    public required IReadOnlyDictionary<string, long> Finished { get; init; }

    /// <summary>Attempts beyond the first of their job, in the window.</summary>
    public required long Retries { get; init; }

    /// <summary>Deployments that failed before another answered, in the window.</summary>
    public required long Fallbacks { get; init; }

    /// <summary>Tokens read in the window.</summary>
    public required long InputTokens { get; init; }

    /// <summary>Tokens written in the window.</summary>
    public required long OutputTokens { get; init; }

    /// <summary>Cost in US dollars of the attempts in the window whose deployment has a price.</summary>
    public required decimal CostUsd { get; init; }

    /// <summary>What all tenants spend.</summary>
    public Spending? Spending { get; init; }

    /// <summary>How good the estimates were that jobs of the window were told when they were accepted; null when none was.</summary>
    public Calibration? Calibration { get; init; }

    /// <summary>How often answers keep their contract at once, by model; attempts of the window, at most the newest 20 000.</summary>
    public IReadOnlyList<ContractRate> Contracts { get; init; } = [];
}

/// <summary>How often a model's answers keep their contract.</summary>
/// <param name="Provider">The provider.</param>
/// <param name="Model">Its model.</param>
/// <param name="Answers">First answers that were laid beside a contract.</param>
/// <param name="FirstPass">Those of them that kept it as they were.</param>
public sealed record ContractRate(string Provider, string Model, long Answers, long FirstPass);

/// <summary>Money, of all tenants, in US dollars; days are of UTC.</summary>
/// <param name="TodayUsd">Cost of today's calls, as far as it is known.</param>
/// <param name="UnknownTodayUsd">What may have been billed for calls of today that broke off.</param>
/// <param name="UnpricedCallsToday">Calls of today whose cost nobody knows, because they had no price.</param>
/// <param name="ReservedUsd">Set aside for calls that are under way now.</param>
public sealed record Spending(decimal TodayUsd, decimal UnknownTodayUsd, long UnpricedCallsToday, decimal ReservedUsd);

/// <summary>Estimated against real waits of jobs that were told how long they would wait.</summary>
/// <param name="Count">Jobs behind the numbers.</param>
/// <param name="WithinP50">Share of them that began within <c>eta_p50</c>; 0.5 would be right.</param>
/// <param name="WithinP90">Share of them that began within <c>eta_p90</c>; 0.9 would be right.</param>
public sealed record Calibration(long Count, double WithinP50, double WithinP90);

/// <summary>What waits at one priority.</summary>
/// <param name="Priority"><c>interactive</c>, <c>standard</c> or <c>batch</c>.</param>
/// <param name="Depth">Jobs that could start now.</param>
/// <param name="OldestAgeSeconds">Age of the oldest of them, in seconds; null when there is none.</param>
public sealed record QueueDepth(string Priority, long Depth, double? OldestAgeSeconds);

/// <summary>What waits in one pool.</summary>
/// <param name="Pool">Its name.</param>
/// <param name="Configured">False when no entry of <c>Queue__Pools</c> has the name here: probably no worker serves it, and its jobs wait.</param>
/// <param name="Depth">Jobs that could start now.</param>
/// <param name="OldestAgeSeconds">Age of the oldest of them, in seconds; null when there is none.</param>
public sealed record PoolDepth(string Pool, bool Configured, long Depth, double? OldestAgeSeconds);

/// <summary>Percentiles of one class of jobs.</summary>
/// <param name="Type">Job type.</param>
/// <param name="Model">Route or model name.</param>
/// <param name="Count">Finished jobs behind the numbers.</param>
/// <param name="QueueWait">Due until first claim.</param>
/// <param name="TimeToFirstToken">First claim until first text.</param>
/// <param name="Run">First claim until the end.</param>
/// <param name="EndToEnd">Accepted until the end.</param>
public sealed record LatencyGroup(
    string Type,
    string Model,
    long Count,
    Percentiles? QueueWait,
    Percentiles? TimeToFirstToken,
    Percentiles? Run,
    Percentiles? EndToEnd
);

/// <summary>Three percentiles in seconds.</summary>
/// <param name="P50">Half are at most this.</param>
/// <param name="P95">95 of 100 are at most this.</param>
/// <param name="P99">99 of 100 are at most this.</param>
public sealed record Percentiles(double P50, double P95, double P99);

/// <summary>The providers this installation may call.</summary>
/// <param name="Data">In order of preference for the route <c>default</c>.</param>
public sealed record ProviderList(IReadOnlyList<ProviderInfo> Data);

/// <summary>One configured provider.</summary>
/// <param name="Name">Its name in configuration and in <c>served_by</c>.</param>
/// <param name="Model">The model it uses for the route <c>default</c>.</param>
/// <param name="Simulated">True when no real model is behind it.</param>
public sealed record ProviderInfo(string Name, string Model, bool Simulated)
{
    /// <summary>
    /// Whether workers ask it for that model: <c>up</c>, <c>down</c> (a worker does not, because its calls failed), <c>probing</c> (one
    /// call finds out whether it is well again), <c>key_refused</c> (nobody asks it, because it did not take its key); null when it is
    /// not known.
    /// </summary>
    public string? State { get; init; }

    /// <summary>How fast it is asked for that model, because it said that it is asked too fast; null when it is not slowed.</summary>
    public ProviderPace? Pace { get; init; }
}

/// <summary>How fast a provider is asked by all workers together.</summary>
/// <param name="PerSecond">Calls a second now.</param>
/// <param name="FullPerSecond">Calls a second that it is on its way back to.</param>
/// <param name="BlockedUntil">Nobody asks before; null when that has passed.</param>
public sealed record ProviderPace(double PerSecond, double FullPerSecond, DateTimeOffset? BlockedUntil);

/// <summary>The workers that were alive lately.</summary>
/// <param name="Data">Newest heartbeat first.</param>
public sealed record WorkerList(IReadOnlyList<WorkerInfo> Data);

/// <summary>One worker process.</summary>
/// <param name="Id">Unique for the process.</param>
/// <param name="Name">Host name and process id.</param>
/// <param name="Status"><c>alive</c>, <c>draining</c> or <c>lost</c> (no heartbeat within a lease).</param>
/// <param name="Slots">Jobs it may run at once.</param>
/// <param name="Busy">Jobs it runs now.</param>
/// <param name="StartedAt">When the process started.</param>
/// <param name="LastSeenAt">Its latest heartbeat.</param>
/// <param name="FencedWrites">Writes it lost to a newer lease since it started.</param>
public sealed record WorkerInfo(
    Guid Id,
    string Name,
    string Status,
    int Slots,
    int Busy,
    DateTimeOffset StartedAt,
    DateTimeOffset LastSeenAt,
    long FencedWrites
);

/// <summary>Answer of <c>/health/ready</c>.</summary>
/// <param name="Status"><c>healthy</c>, <c>degraded</c> (works, something is missing) or <c>unhealthy</c> (503).</param>
/// <param name="Checks">State of each dependency by name.</param>
/// <param name="Causes">Why a dependency is not well, one documented word each; absent when there is nothing to say.</param>
public sealed record HealthReport(
    string Status,
    IReadOnlyDictionary<string, string> Checks,
    IReadOnlyDictionary<string, string>? Causes = null
);
