namespace AiBackend.Core.Tenancy;

/// <summary>A stored API key, without its secret.</summary>
public sealed record KeyRecord
{
    /// <summary>Its public id.</summary>
    public required string Id { get; init; }

    /// <summary>Whose it is.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary>What it may do.</summary>
    public required IReadOnlyList<string> Scopes { get; init; }

    /// <summary>The most urgent priority it may ask for, as stored; null leaves it to the tenant's tier.</summary>
    public short? HighestPriority { get; init; }

    /// <summary>Models and routes that its jobs may ask for; null is all.</summary>
    public IReadOnlyList<string>? AllowedModels { get; init; }

    /// <summary>Where its requests may come from, in CIDR notation; null is anywhere.</summary>
    public IReadOnlyList<string>? AllowedNetworks { get; init; }

    /// <summary>How much it may ask for.</summary>
    public KeyLimits Limits { get; init; } = KeyLimits.None;

    /// <summary>Who made it: a key, or a user; null when it was the installation.</summary>
    public string? CreatedBy { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>From then on it is refused; null is never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was revoked; null when it was not.</summary>
    public DateTimeOffset? RevokedAt { get; init; }

    /// <summary>To within some minutes; null when it never was.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>The key that it was rolled to.</summary>
    public string? ReplacedBy { get; init; }
}
