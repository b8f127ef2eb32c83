namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>What a bulk action does. The numbers are stored; never renumber.</summary>
public enum BulkKind : short
{
    /// <summary>A new job of every letter.</summary>
    Replay = 1,

    /// <summary>Off the list.</summary>
    Discard = 2,
}

/// <summary>Where a bulk action stands. The numbers are stored; never renumber.</summary>
public enum BulkStatus : short
{
    /// <summary>The leader carries it on.</summary>
    Running = 0,

    /// <summary>Final: every letter was dealt with.</summary>
    Completed = 1,

    /// <summary>Final: a new job died of its old cause.</summary>
    Stopped = 2,

    /// <summary>Final: by a caller, or because the key that began it was revoked.</summary>
    Cancelled = 3,
}

/// <summary>Where a letter of a bulk action stands. The numbers are stored; never renumber.</summary>
internal enum BulkItemState : short
{
    /// <summary>Not dealt with yet.</summary>
    Waiting = 0,

    /// <summary>It was replayed; whether the new job ended was not looked at yet.</summary>
    Replayed = 1,

    /// <summary>Somebody else replayed or discarded it first.</summary>
    Skipped = 2,

    /// <summary>Discarded, or replayed and the new job ended.</summary>
    Settled = 3,

    /// <summary>Replayed, and the new job died of the same cause.</summary>
    SameCause = 4,
}

/// <summary>Names of the closed sets of a bulk action on the wire.</summary>
public static class BulkTraitNames
{
    private static readonly string[] Statuses = ["running", "completed", "stopped", "cancelled"];

    /// <summary>Every status.</summary>
    public static IReadOnlyList<string> AllStatuses => Statuses;

    /// <summary>Every kind.</summary>
    public static IReadOnlyList<string> AllKinds { get; } = ["replay", "discard"];

    /// <summary>The wire name of a kind.</summary>
    public static string ToWire(this BulkKind kind) => AllKinds[(int)kind - 1];

    /// <summary>The wire name of a status.</summary>
    public static string ToWire(this BulkStatus status) => Statuses[(int)status];
}
