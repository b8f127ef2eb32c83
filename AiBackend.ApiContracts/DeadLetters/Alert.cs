namespace AiBackend.ApiContracts.DeadLetters;

/// <summary>Something a person should look at. One a cause, however many jobs it hits.</summary>
public sealed record Alert
{
    /// <summary>Names it.</summary>
    public required Guid Id { get; init; }

    /// <summary><c>dead_letter_cause</c> (jobs die of this cause), <c>dead_letter_depth</c> (too many), <c>dead_letter_age</c> (too old) or <c>provider_key_refused</c>.</summary>
    public required string Rule { get; init; }

    /// <summary>The group of dead letters it is about; null when it is about all of them, or about something else.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>One sentence for people.</summary>
    public required string Message { get; init; }

    /// <summary>Open dead letters; seconds for <c>dead_letter_age</c>; 1 for <c>provider_key_refused</c>.</summary>
    public required long Value { get; init; }

    /// <summary>When it was raised.</summary>
    public required DateTimeOffset RaisedAt { get; init; }

    /// <summary>When somebody took note of it; null when nobody did.</summary>
    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>Public id of the API key that did.</summary>
    public string? AcknowledgedBy { get; init; }

    /// <summary>When its rule had not held for a while; null while it is active.</summary>
    public DateTimeOffset? ResolvedAt { get; init; }
}

/// <summary>Alerts, newest first.</summary>
/// <param name="Data">At most the 100 newest.</param>
public sealed record AlertList(IReadOnlyList<Alert> Data);
