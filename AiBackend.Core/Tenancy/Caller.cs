using System.Net;
using AiBackend.Core.Tenancy.Users;

namespace AiBackend.Core.Tenancy;

/// <summary>On whose behalf a request acts.</summary>
/// <param name="TenantId">The tenant.</param>
/// <param name="KeyId">Public id of the key that was used.</param>
/// <param name="Scopes">What the key may do; <c>*</c> is everything.</param>
/// <param name="Tier">The tenant's tier.</param>
/// <param name="HighestPriority">The most urgent priority that the key may ask for, as stored; null leaves it to the tier.</param>
public sealed record Caller(Guid TenantId, string KeyId, IReadOnlyList<string> Scopes, string Tier, short? HighestPriority)
{
    /// <summary>The organisation that the tenant belongs to.</summary>
    public Guid OrganisationId { get; init; }

    /// <summary>Slug of the tenant.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Who signed in; null for a key.</summary>
    public Guid? UserId { get; init; }

    /// <summary>What the user is in the organisation; null for a key.</summary>
    public UserRole? Role { get; init; }

    /// <summary>Models and routes that its jobs may ask for; null is all.</summary>
    public IReadOnlyList<string>? AllowedModels { get; init; }

    /// <summary>Where its requests may come from; null is anywhere.</summary>
    public IReadOnlyList<IPNetwork>? AllowedNetworks { get; init; }

    /// <summary>How much it may ask for.</summary>
    public KeyLimits Limits { get; init; } = KeyLimits.None;

    /// <summary>When the key ends; null is never, and for who signed in: a session ends, a user's rights do not.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Whether a request may come from there.</summary>
    public bool MayComeFrom(IPAddress? address) =>
        AllowedNetworks is not { } networks
        || (address is not null && networks.Any(network => network.Contains(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address)));

    /// <summary>Whether its jobs may ask for this model or route.</summary>
    public bool MayAskFor(string model) => ModelList.Has(AllowedModels, model);
}

/// <summary>How much a key may ask for; null is no limit of its own.</summary>
/// <param name="RequestsPerMinute">Requests that submit work.</param>
/// <param name="TokensPerMinute">Estimated tokens of that work.</param>
/// <param name="MaxQueued">Its jobs that may wait at once.</param>
/// <param name="MaxRunning">Its jobs that may run at once; more wait.</param>
public sealed record KeyLimits(long? RequestsPerMinute, long? TokensPerMinute, long? MaxQueued, long? MaxRunning = null)
{
    /// <summary>Without any.</summary>
    public static readonly KeyLimits None = new(null, null, null);
}

/// <summary>Lists of models, where a <c>*</c> at the end of a name stands for any rest.</summary>
public static class ModelList
{
    /// <summary>Whether the list has the model; null has all.</summary>
    public static bool Has(IReadOnlyList<string>? list, string model) => list is null || list.Any(entry => Covers(entry, model));

    /// <summary>Whether whatever an entry stands for is covered by another.</summary>
    public static bool Covers(string wide, string narrow) =>
        wide.EndsWith('*') ? narrow.StartsWith(wide[..^1], StringComparison.Ordinal) : wide == narrow;
}
