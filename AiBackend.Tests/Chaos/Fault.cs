namespace AiBackend.Tests.Chaos;

/// <summary>Which way bytes go.</summary>
[Flags]
public enum Way
{
    /// <summary>From the client to the server.</summary>
    Requests = 1,

    /// <summary>From the server to the client.</summary>
    Replies = 2,

    /// <summary>Both.</summary>
    Both = Requests | Replies,
}

/// <summary>What a <see cref="FaultProxy"/> does to every connection, those that are open included.</summary>
public sealed record Fault
{
    /// <summary>Nothing: bytes pass as they come.</summary>
    public static readonly Fault None = new();

    /// <summary>A network that swallows everything: connections stay open, new ones open too, and nothing arrives. Also half-open.</summary>
    public static readonly Fault Blackhole = new() { Silent = Way.Both };

    /// <summary>How late every byte arrives.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Added to <see cref="Delay"/>, a random part of it for every piece.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>How much passes in a second each way; null is everything.</summary>
    public int? BytesPerSecond { get; init; }

    /// <summary>Bytes that are written at once; null is as many as came.</summary>
    public int? PieceSize { get; init; }

    /// <summary>Where nothing arrives, and nobody is told.</summary>
    public Way Silent { get; init; }

    /// <summary>The way that <see cref="ResetAfter"/> counts.</summary>
    public Way ResetOn { get; init; } = Way.Replies;

    /// <summary>Bytes that pass, from when the fault began, before a connection is reset; 0 lets none of them pass. Null is never.</summary>
    public long? ResetAfter { get; init; }

    /// <summary>New connections are reset before they reach the server.</summary>
    public bool RefusesNew { get; init; }
}
