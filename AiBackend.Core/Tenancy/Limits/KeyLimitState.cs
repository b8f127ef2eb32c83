namespace AiBackend.Core.Tenancy.Limits;

/// <summary>What is counted by the minute. The numbers are stored; never renumber.</summary>
public enum KeyLimitKind : short
{
    /// <summary>Requests that submit work.</summary>
    Requests = 0,

    /// <summary>Estimated tokens of that work.</summary>
    Tokens = 1,
}

/// <summary>How many jobs of a key may wait.</summary>
/// <param name="Most">The limit.</param>
/// <param name="IsOwn">
/// Whether it is the key's own number, which counts whatever waits. The installation's counts what stands in line and is no batch, and nobody waits
/// until that has been counted for the first time.
/// </param>
public readonly record struct QueueLimit(long Most, bool IsOwn);

/// <summary>One limit of a key as it stands.</summary>
/// <param name="Limit">How much a minute may have.</param>
/// <param name="Remaining">How much of it is left, as far as this server knows.</param>
/// <param name="ResetsIn">Until the next minute.</param>
public sealed record KeyLimitView(long Limit, long Remaining, TimeSpan ResetsIn);

/// <summary>The limits of a key after a request asked for leave.</summary>
/// <param name="Requests">Null without such a limit.</param>
/// <param name="Tokens">Null without such a limit.</param>
public sealed record KeyLimitState(KeyLimitView? Requests, KeyLimitView? Tokens)
{
    /// <summary>Which limit refuses the request; null when none does.</summary>
    public string? Exceeded { get; init; }

    /// <summary>What that limit is.</summary>
    public long Most { get; init; }

    /// <summary>When to come back.</summary>
    public TimeSpan RetryAfter { get; init; }
}
