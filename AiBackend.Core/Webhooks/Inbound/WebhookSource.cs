using AiBackend.Core.Tenancy;

namespace AiBackend.Core.Webhooks.Inbound;

/// <summary>Somebody else's webhooks, each of which becomes a job.</summary>
public sealed record WebhookSource
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Whose jobs they become.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary>What becomes of a message, as JSON.</summary>
    public required string Template { get; init; }

    /// <summary>Whether messages are taken.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Until when the secret before is believed, too.</summary>
    public DateTimeOffset? OldSecretUntil { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Public id of the API key that made it.</summary>
    public string CreatedBy { get; init; } = "";
}

/// <summary>A source as its messages find it.</summary>
/// <param name="Source">The source.</param>
/// <param name="Secrets">Whoever knows one of them is believed.</param>
/// <param name="Caller">On whose behalf its jobs are: the key that made it, with the bounds that the key has now.</param>
public sealed record OpenSource(WebhookSource Source, IReadOnlyList<WebhookSecret> Secrets, Caller Caller);
