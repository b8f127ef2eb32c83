namespace AiBackend.Core.Queue.Order;

/// <summary>The slots of all living workers together, who holds them, and who may not have more of them.</summary>
public sealed record Capacity
{
    /// <summary>Nothing is known of workers: every bound is off.</summary>
    public static Capacity Unknown { get; } = new();

    /// <summary>Jobs that hold a slot or were offered one.</summary>
    public IReadOnlyList<RunningJobs> Running { get; init; } = [];

    /// <summary>The first class of length that counts as long.</summary>
    public short LongFrom { get; init; } = short.MaxValue;

    /// <summary>Slots that long jobs may hold; the others stay free for short ones.</summary>
    public int MostLong { get; init; } = int.MaxValue;

    /// <summary>Slots that batch jobs may hold while others wait.</summary>
    public int MostBatch { get; init; } = int.MaxValue;

    /// <summary>Slots that nobody holds.</summary>
    public int Free { get; init; } = int.MaxValue;

    /// <summary>Slots that tenants find free until they hold so many, by tenant.</summary>
    public IReadOnlyDictionary<Guid, int> Reserved { get; init; } = new Dictionary<Guid, int>();

    /// <summary>How many slots may be kept for them together, held by them or free.</summary>
    public int MostReserved { get; init; }

    /// <summary>Slots that batch jobs get before anybody else, as long as they hold fewer.</summary>
    public int LeastBatch { get; init; }
}
