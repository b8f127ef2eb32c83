namespace AiBackend.ApiContracts.Tenancy;

/// <summary>An API key, without its secret.</summary>
public record Key
{
    /// <summary>Its public id: the first eight characters behind its prefix.</summary>
    public required string Id { get; init; }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary>What it may do; <c>*</c> is everything.</summary>
    public required IReadOnlyList<string> Scopes { get; init; }

    /// <summary><c>active</c>, <c>expired</c> or <c>revoked</c>.</summary>
    public required string Status { get; init; }

    /// <summary>The most urgent priority its jobs may have; null leaves it to the tenant's tier.</summary>
    public string? HighestPriority { get; init; }

    /// <summary>Models and routes its jobs may ask for, where a <c>*</c> at the end stands for any rest; null is all.</summary>
    public IReadOnlyList<string>? AllowedModels { get; init; }

    /// <summary>Where its requests may come from, in CIDR notation; null is anywhere.</summary>
    public IReadOnlyList<string>? AllowedNetworks { get; init; }

    /// <summary>How much it may ask for.</summary>
    public required KeyLimitsInfo Limits { get; init; }

    /// <summary>Public id of the key, or the user, that made it; null when the installation did.</summary>
    public string? CreatedBy { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>From then on it is refused; null is never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was revoked.</summary>
    public DateTimeOffset? RevokedAt { get; init; }

    /// <summary>When it was last used, to within some minutes; null when it never was.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>The key that it was rolled to.</summary>
    public string? ReplacedBy { get; init; }
}

/// <summary>A key that was just made: the only time that it is shown.</summary>
public sealed record NewKey : Key
{
    /// <summary>The key itself. Nobody can show it again.</summary>
    public required string Value { get; init; }
}

/// <summary>How much a key may ask for, over all servers; null is no limit of its own.</summary>
/// <param name="RequestsPerMinute">Requests that submit work.</param>
/// <param name="TokensPerMinute">Estimated tokens of that work.</param>
/// <param name="MaxQueued">Its jobs that may wait at once.</param>
/// <param name="MaxRunning">Its jobs that may run at once; more wait until one has ended.</param>
public sealed record KeyLimitsInfo(long? RequestsPerMinute, long? TokensPerMinute, long? MaxQueued, long? MaxRunning = null);

/// <summary>The keys of a tenant.</summary>
/// <param name="Data">Those that count first, newest first.</param>
public sealed record KeyList(IReadOnlyList<Key> Data);

/// <summary>What a new key is to be.</summary>
public sealed record CreateKeyRequest
{
    /// <summary>For people, up to 100 characters.</summary>
    public string? Name { get; init; }

    /// <summary>What it may do: nothing that your own key may not.</summary>
    public IReadOnlyList<string>? Scopes { get; init; }

    /// <summary>Days until it expires, 1 to 3650; default 90. 0 is never.</summary>
    public int? ExpiresInDays { get; init; }

    /// <summary>Whether it is a key for tests, which begins with <c>aib_test_</c> and opens nothing in Production.</summary>
    public bool? Test { get; init; }

    /// <summary>The most urgent priority its jobs may have; left out, that of the tenant's tier.</summary>
    public string? HighestPriority { get; init; }

    /// <summary>Models and routes its jobs may ask for, up to 100; a <c>*</c> at the end stands for any rest. Left out, all.</summary>
    public IReadOnlyList<string>? AllowedModels { get; init; }

    /// <summary>Where its requests may come from, up to 50 in CIDR notation. Left out, anywhere.</summary>
    public IReadOnlyList<string>? AllowedNetworks { get; init; }

    /// <summary>How much it may ask for.</summary>
    public KeyLimitsRequest? Limits { get; init; }
}

/// <summary>What is to change about a key; what is left out stays.</summary>
public sealed record ChangeKeyRequest
{
    /// <summary>For people, up to 100 characters.</summary>
    public string? Name { get; init; }

    /// <summary>The most urgent priority its jobs may have; <c>tier</c> leaves it to the tenant's tier.</summary>
    public string? HighestPriority { get; init; }

    /// <summary>Models and routes its jobs may ask for; an empty list is all.</summary>
    public IReadOnlyList<string>? AllowedModels { get; init; }

    /// <summary>Where its requests may come from; an empty list is anywhere.</summary>
    public IReadOnlyList<string>? AllowedNetworks { get; init; }

    /// <summary>How much it may ask for; 0 is no limit.</summary>
    public KeyLimitsRequest? Limits { get; init; }
}

/// <summary>How much a key may ask for; 0 is no limit, and what is left out stays.</summary>
public sealed record KeyLimitsRequest
{
    /// <summary>Requests that submit work, a minute.</summary>
    public long? RequestsPerMinute { get; init; }

    /// <summary>Estimated tokens of that work, a minute.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Its jobs that may wait at once.</summary>
    public long? MaxQueued { get; init; }

    /// <summary>Its jobs that may run at once; more wait until one has ended.</summary>
    public long? MaxRunning { get; init; }
}

/// <summary>How a key is rolled.</summary>
public sealed record RollKeyRequest
{
    /// <summary>Seconds that the old key is still accepted, 0 to 30 days; default a day.</summary>
    public long? OverlapSeconds { get; init; }

    /// <summary>Days until the new key expires, 1 to 3650; default 90. 0 is never.</summary>
    public int? ExpiresInDays { get; init; }

    /// <summary>Whether the new one is a key for tests, which begins with <c>aib_test_</c> and opens nothing in Production.</summary>
    public bool? Test { get; init; }
}
