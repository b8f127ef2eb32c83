namespace AiBackend.Core.Webhooks;

/// <summary>A message to a webhook, at one try.</summary>
/// <param name="Id">The same at every try.</param>
/// <param name="Body">What is sent, the same at every try.</param>
/// <param name="Try">Counts from 1.</param>
/// <param name="Earlier">Tries before somebody had it sent again; the schedule begins after them.</param>
/// <param name="Url">Where to, when not to the endpoint's own address.</param>
public sealed record Delivery(Guid Id, string Body, int Try, int Earlier = 0, string? Url = null)
{
    /// <summary>Its name on the wire.</summary>
    public string Name => NameOf(Id);

    /// <summary>The name of a message on the wire.</summary>
    public static string NameOf(Guid id) => $"msg_{id:N}";
}

/// <summary>Where a message stands; stored.</summary>
public enum DeliveryState : short
{
    /// <summary>For its next try.</summary>
    Waiting = 0,

    /// <summary>The receiver took it.</summary>
    Delivered = 1,

    /// <summary>The receiver did not, for as long as it was tried, or wants no more.</summary>
    GivenUp = 2,
}

/// <summary>How a try ended.</summary>
public abstract record TryEnd
{
    private TryEnd() { }

    /// <summary>The receiver took it.</summary>
    public sealed record Taken : TryEnd;

    /// <summary>It did not.</summary>
    /// <param name="Error">A status, or one word; nothing that the receiver wrote.</param>
    /// <param name="RetryAfter">The wait that the receiver asked for; null when it asked for none.</param>
    /// <param name="IsFinal">Whether it wants no more.</param>
    public sealed record Failed(string Error, TimeSpan? RetryAfter = null, bool IsFinal = false) : TryEnd;
}

/// <summary>Whom messages go to.</summary>
/// <param name="Endpoint">Its name among deliveries.</param>
/// <param name="Address">Where it is; null when each message says so.</param>
/// <param name="Secrets">Each signs.</param>
public sealed record WebhookTarget(string Endpoint, Uri? Address, IReadOnlyList<WebhookSecret> Secrets);

/// <summary>What came of some tries at the same time.</summary>
/// <param name="Tries">How many.</param>
/// <param name="Taken">How many of them the receiver took.</param>
/// <param name="IsGone">Whether it wants nothing any more.</param>
public readonly record struct DeliveryRound(int Tries, int Taken, bool IsGone);
