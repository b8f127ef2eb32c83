namespace AiBackend.Core.Webhooks;

/// <summary>Where a tenant wants messages to go.</summary>
public sealed record WebhookEndpoint
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Whose it is.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>Where to; null for the endpoint of jobs that name an address of their own.</summary>
    public string? Url { get; init; }

    /// <summary>For people.</summary>
    public string? Description { get; init; }

    /// <summary>Types of messages; empty is all.</summary>
    public IReadOnlyList<string> Events { get; init; } = [];

    /// <summary>Whether messages go there.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Why not: <c>gone</c> (410) or <c>failing</c> (for five days); null when a person said so.</summary>
    public string? DisabledFor { get; init; }

    /// <summary>The first failed try after the last one that was taken; null once nothing waits any more.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>Until when messages are signed with the secret before, too.</summary>
    public DateTimeOffset? OldSecretUntil { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Its name among deliveries.</summary>
    public string Name => NameOf(Id);

    /// <summary>The name of an endpoint among deliveries.</summary>
    public static string NameOf(Guid id) => id.ToString("N");
}
