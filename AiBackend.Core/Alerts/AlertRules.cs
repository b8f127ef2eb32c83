namespace AiBackend.Core.Alerts;

/// <summary>What alerts are raised for. Stored, and tags of metrics: a closed set.</summary>
public static class AlertRules
{
    /// <summary>Jobs die of this cause: from its first open letter on. The cause is the fingerprint.</summary>
    public const string Cause = "dead_letter_cause";

    /// <summary>Too many open letters.</summary>
    public const string Depth = "dead_letter_depth";

    /// <summary>An open letter is too old.</summary>
    public const string Age = "dead_letter_age";

    /// <summary>A provider refused its key, so nobody asks it. The cause is the provider's name.</summary>
    public const string KeyRefused = "provider_key_refused";

    /// <summary>A budget has reached a threshold. The cause is the budget, its window and the threshold.</summary>
    public const string Budget = "budget_threshold";

    /// <summary>Somebody else than our processes writes to Redis. The cause is the channel.</summary>
    public const string RedisForged = "redis_forged";

    /// <summary>Every rule.</summary>
    public static IReadOnlyList<string> All { get; } = [Cause, Depth, Age, KeyRefused, Budget, RedisForged];
}
