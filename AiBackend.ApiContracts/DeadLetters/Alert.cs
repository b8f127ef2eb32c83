namespace AiBackend.ApiContracts.DeadLetters;

/// <summary>Something a person should look at. One a cause, however many jobs it hits.</summary>
public sealed record Alert
{
    /// <summary>Names it.</summary>
    public required Guid Id { get; init; }

    /// <summary><c>dead_letter_cause</c> (jobs die of this cause), <c>dead_letter_depth</c> (too many), <c>dead_letter_age</c> (too old), <c>provider_key_refused</c>, <c>budget_threshold</c> or <c>redis_forged</c> (messages that none of our processes sent).</summary>
    public required string Rule { get; init; }

    /// <summary>The group of dead letters it is about; null when it is about all of them, or about something else.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>Whose it is, by the tenant's name, in messages to webhooks; null in lists, and for what concerns everyone.</summary>
    public string? Tenant { get; init; }

    /// <summary>One sentence for people.</summary>
    public required string Message { get; init; }

    /// <summary>Open dead letters; seconds for <c>dead_letter_age</c>; 1 for <c>provider_key_refused</c>; messages for <c>redis_forged</c>.</summary>
    public required long Value { get; init; }

    /// <summary>When it was raised.</summary>
    public required DateTimeOffset RaisedAt { get; init; }

    /// <summary>When somebody took note of it; null when nobody did.</summary>
    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>Public id of the API key that did.</summary>
    public string? AcknowledgedBy { get; init; }

    /// <summary>When its rule had not held for a while; null while it is active.</summary>
    public DateTimeOffset? ResolvedAt { get; init; }

    /// <summary>
    /// Whether the operators' webhook was told: <c>waiting</c> (for the next try), <c>delivered</c> or <c>given_up</c>; null when there is none.
    /// </summary>
    public string? Webhook { get; init; }
}

/// <summary>What the operators' webhook is sent.</summary>
/// <param name="Type"><c>alert.raised</c>.</param>
/// <param name="Timestamp">When it was written down.</param>
/// <param name="Data">The alert as it was then.</param>
public sealed record AlertMessage(string Type, DateTimeOffset Timestamp, Alert Data);

/// <summary>Alerts, newest first.</summary>
/// <param name="Data">At most the 100 newest.</param>
public sealed record AlertList(IReadOnlyList<Alert> Data);
