namespace AiBackend.ApiContracts.Webhooks;

/// <summary>Somebody else's webhooks, each of which becomes a job.</summary>
public sealed record WebhookSource
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Always <c>webhook_source</c>.</summary>
    public string Object { get; init; } = "webhook_source";

    /// <summary>For people.</summary>
    public required string Name { get; init; }

    /// <summary>Where the sender posts its messages.</summary>
    public required string Path { get; init; }

    /// <summary>What becomes of a message.</summary>
    public required WebhookJobTemplate Template { get; init; }

    /// <summary>Whether messages are taken.</summary>
    public required bool Enabled { get; init; }

    /// <summary>Until when the secret before is believed, too; null when it is not.</summary>
    public DateTimeOffset? OldSecretUntil { get; init; }

    /// <summary>The secret that the sender signs with: shown when it was made, and never again.</summary>
    public string? Secret { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>The job that a message becomes.</summary>
/// <remarks>Places such as <c>{{data.ticket.text}}</c> take that part of the message: text as it is, other values as JSON, nothing where there is nothing.</remarks>
public sealed record WebhookJobTemplate
{
    /// <summary>The user's message, with places; at most 16 384 characters.</summary>
    public string? Prompt { get; init; }

    /// <summary>The system message, as it is: nothing of a message gets into it. At most 16 384 characters.</summary>
    public string? System { get; init; }

    /// <summary>Route or model name.</summary>
    public string? Model { get; init; }

    /// <summary>As in a submit.</summary>
    public string? Feature { get; init; }

    /// <summary>As in a submit.</summary>
    public string? Priority { get; init; }

    /// <summary>As in a submit.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>As in a submit; values may have places.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>A new source.</summary>
public sealed record NewWebhookSource
{
    /// <summary>For people, at most 128 characters.</summary>
    public string? Name { get; init; }

    /// <summary>What becomes of a message.</summary>
    public WebhookJobTemplate? Template { get; init; }

    /// <summary>A secret that the sender has already, <c>whsec_</c> and 24 to 64 bytes in base 64; left out, one is made.</summary>
    public string? Secret { get; init; }
}

/// <summary>What changes; what is left out stays.</summary>
public sealed record WebhookSourceChange
{
    /// <summary>For people.</summary>
    public string? Name { get; init; }

    /// <summary>What becomes of a message, as a whole.</summary>
    public WebhookJobTemplate? Template { get; init; }

    /// <summary>Whether messages are taken.</summary>
    public bool? Enabled { get; init; }
}

/// <summary>The sources of a tenant.</summary>
/// <param name="Data">Newest first.</param>
public sealed record WebhookSourceList(IReadOnlyList<WebhookSource> Data);

/// <summary>What the sender of a message is told.</summary>
/// <param name="JobId">The job that the message became.</param>
/// <param name="Repeated">Whether the message had come before; nothing was done then.</param>
public sealed record WebhookReceipt(Guid JobId, bool Repeated);
