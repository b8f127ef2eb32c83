namespace AiBackend.ApiContracts.Operations;

/// <summary>The queues and what operators hold back: the answer of <c>GET /api/v1/queues</c>.</summary>
/// <param name="Data">Every queue (pool), <c>default</c> first.</param>
/// <param name="Controls">Everything that is paused or draining.</param>
public sealed record QueueList(IReadOnlyList<QueueInfo> Data, IReadOnlyList<ControlInfo> Controls)
{
    /// <summary>What waits of all tenants, and what may.</summary>
    public QueueCapacityInfo? Capacity { get; init; }
}

/// <summary>What waits, and what may.</summary>
/// <param name="Waiting">Jobs that are queued, scheduled, or wait for their next attempt.</param>
/// <param name="MaxQueued">How many may; null is no limit.</param>
/// <param name="EndedPerSecond">Jobs that end in a second, over the last minute; null when that is not known.</param>
/// <param name="ExpectedWaitSeconds">How long a new job is expected to wait; null when that is not known.</param>
/// <param name="Refusing">The limit for which new jobs of everybody are refused now; null when none is reached.</param>
public sealed record QueueCapacityInfo(
    long Waiting,
    long? MaxQueued,
    double? EndedPerSecond,
    double? ExpectedWaitSeconds,
    string? Refusing
);

/// <summary>One queue.</summary>
/// <param name="Name">Name of the pool.</param>
/// <param name="Mode"><c>running</c>, <c>paused</c> or <c>draining</c>.</param>
/// <param name="Configured">False when no entry of <c>Queue__Pools</c> has the name here.</param>
/// <param name="Depth">Jobs that could start now, or could if nothing were paused.</param>
/// <param name="OldestAgeSeconds">Age of the oldest of them, in seconds; null when there is none.</param>
public sealed record QueueInfo(string Name, string Mode, bool Configured, long Depth, double? OldestAgeSeconds);

/// <summary>Whether something is held back, and how.</summary>
public sealed record ControlInfo
{
    /// <summary><c>queue</c>, <c>tenant</c>, <c>model</c> or <c>provider</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Its name; of a tenant, its slug.</summary>
    public required string Name { get; init; }

    /// <summary><c>paused</c> (accepted, not started), <c>draining</c> (not accepted; what was accepted runs off) or <c>running</c>.</summary>
    public required string Mode { get; init; }

    /// <summary>Why, in the operator's words; null when nobody said.</summary>
    public string? Reason { get; init; }

    /// <summary>Since when; null when it is running.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Public id of the API key that asked for it; null when it is running.</summary>
    public string? SetBy { get; init; }
}

/// <summary>Body of <c>POST /api/v1/queues/pause</c>, <c>/drain</c> and <c>/resume</c>.</summary>
public sealed record ControlRequest
{
    /// <summary><c>queue</c>, <c>tenant</c>, <c>model</c> or <c>provider</c>.</summary>
    public string? Kind { get; init; }

    /// <summary>Its name; of a tenant, its slug.</summary>
    public string? Name { get; init; }

    /// <summary>Why, for others who look; at most 200 characters.</summary>
    public string? Reason { get; init; }
}
