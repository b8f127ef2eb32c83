namespace AiBackend.ApiContracts.Webhooks;

/// <summary>Where messages go.</summary>
public sealed record Webhook
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Always <c>webhook</c>.</summary>
    public string Object { get; init; } = "webhook";

    /// <summary>Where to; null for the one whose secret signs the messages of jobs that name an address of their own.</summary>
    public string? Url { get; init; }

    /// <summary>For people.</summary>
    public string? Description { get; init; }

    /// <summary>Types of messages that it gets; empty is all.</summary>
    public required IReadOnlyList<string> Events { get; init; }

    /// <summary>Whether messages go there.</summary>
    public required bool Enabled { get; init; }

    /// <summary>Why not: <c>gone</c> (it answered 410) or <c>failing</c> (it took nothing for five days); null when a person said so.</summary>
    public string? DisabledFor { get; init; }

    /// <summary>When the first try failed after the last one that was taken; null while all is well.</summary>
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>Until when messages are signed with the secret before, too; null when they are not.</summary>
    public DateTimeOffset? OldSecretUntil { get; init; }

    /// <summary>The secret that messages are signed with: shown when it was made, and never again.</summary>
    public string? Secret { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>A new endpoint.</summary>
public sealed record NewWebhook
{
    /// <summary>Where to: https, a host on the internet, at most 2048 characters. Left out when <see cref="ForJobs"/>.</summary>
    public string? Url { get; init; }

    /// <summary><c>true</c> makes the secret for jobs that name an address of their own (<c>webhook</c> of a submit); one a tenant.</summary>
    public bool? ForJobs { get; init; }

    /// <summary>For people, at most 256 characters.</summary>
    public string? Description { get; init; }

    /// <summary>Types of messages that it gets; left out, all.</summary>
    public IReadOnlyList<string>? Events { get; init; }
}

/// <summary>What changes; what is left out stays.</summary>
public sealed record WebhookChange
{
    /// <summary>Where to.</summary>
    public string? Url { get; init; }

    /// <summary>For people.</summary>
    public string? Description { get; init; }

    /// <summary>Types of messages that it gets; empty is all.</summary>
    public IReadOnlyList<string>? Events { get; init; }

    /// <summary>Whether messages go there.</summary>
    public bool? Enabled { get; init; }
}

/// <summary>The endpoints of a tenant.</summary>
/// <param name="Data">Newest first.</param>
public sealed record WebhookList(IReadOnlyList<Webhook> Data);

/// <summary>A message to an endpoint.</summary>
public sealed record WebhookDelivery
{
    /// <summary>As in the header <c>webhook-id</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Its type, such as <c>job.completed</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The job or alert it is about.</summary>
    public Guid? About { get; init; }

    /// <summary><c>waiting</c> (for its next try), <c>delivered</c> or <c>given_up</c>.</summary>
    public required string State { get; init; }

    /// <summary>Tries that were begun.</summary>
    public required int Tries { get; init; }

    /// <summary>When it was written down.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it is tried next; null when it is not.</summary>
    public DateTimeOffset? NextTryAt { get; init; }

    /// <summary>When it was delivered or given up.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Tries that have ended, oldest first.</summary>
    public required IReadOnlyList<WebhookAttempt> Attempts { get; init; }
}

/// <summary>A try of a message.</summary>
/// <param name="Try">Counts from 1.</param>
/// <param name="At">When it ended.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Status">The status of an answer that was no 2xx; null when it was taken, or there was none.</param>
/// <param name="Error">What was wrong, in a word or two; null when it was taken.</param>
public sealed record WebhookAttempt(int Try, DateTimeOffset At, double Seconds, int? Status, string? Error);

/// <summary>Messages to an endpoint.</summary>
/// <param name="Data">Newest first.</param>
/// <param name="NextCursor">Where the list goes on; null when it does not.</param>
public sealed record WebhookDeliveryPage(IReadOnlyList<WebhookDelivery> Data, string? NextCursor);

/// <summary>What a receiver is sent to see whether messages arrive.</summary>
/// <param name="Type"><c>webhook.test</c>.</param>
/// <param name="Timestamp">When it was asked for.</param>
/// <param name="Data">What it is about.</param>
public sealed record WebhookTestMessage(string Type, DateTimeOffset Timestamp, WebhookTestData Data);

/// <summary>What a test message is about.</summary>
/// <param name="Id">The endpoint.</param>
/// <param name="Object">Always <c>webhook</c>.</param>
public sealed record WebhookTestData(Guid Id, string Object = "webhook");
