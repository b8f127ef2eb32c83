namespace AiBackend.Core.Webhooks;

/// <summary>A message to a webhook, at one try.</summary>
/// <param name="Id">The same at every try.</param>
/// <param name="Body">What is sent, the same at every try.</param>
/// <param name="Try">Counts from 1.</param>
public sealed record Delivery(Guid Id, string Body, int Try)
{
    /// <summary>Its name on the wire.</summary>
    public string Name => $"msg_{Id:N}";
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
