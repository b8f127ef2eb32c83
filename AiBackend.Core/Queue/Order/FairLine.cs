using AiBackend.Core.Jobs;

namespace AiBackend.Core.Queue.Order;

/// <summary>Decides who goes next. Pure: it asks nobody, owns no clock, and what it remembers are the shares that tenants had.</summary>
/// <remarks>
/// First the level: batch while it holds less than its least, every fourth time what has waited too long, then by priority. In a level
/// the tenant that has had the fewest tokens for its weight (<see cref="VirtualTime"/>). Of a tenant the job that is expected to be the
/// shortest, then the oldest. What the <see cref="Capacity"/> has no room for is passed over, and others go.
/// </remarks>
public sealed class FairLine(TimeSpan ageUpAfter, Func<string, double> weightOf)
{
    /// <summary>One turn in so many is for what has waited too long: enough that nothing starves, too few for an old heap of work to starve the rest.</summary>
    public const int AgedTurn = 4;

    private static readonly JobPriority[] Levels = Enum.GetValues<JobPriority>();

    private readonly VirtualTime[] _levels = [.. Levels.Select(_ => new VirtualTime())];
    private readonly VirtualTime _aged = new();
    private int _sinceAged = AgedTurn;

    /// <summary>The next jobs, in order.</summary>
    /// <param name="waiting">The heads of the line, in any order.</param>
    /// <param name="capacity">Who holds slots now.</param>
    /// <param name="count">How many at most.</param>
    public IReadOnlyList<WaitingJob> Pick(IReadOnlyCollection<WaitingJob> waiting, Capacity capacity, int count)
    {
        var room = new Room(capacity);
        var lanes = Levels
            .Select(level => new Lane(waiting.Where(job => job.Level == level), _levels[(int)level], room, shortestFirst: true))
            .ToArray();
        var aged = new Lane(waiting.Where(job => job.Waited >= ageUpAfter), _aged, room, shortestFirst: false);
        var picked = new List<WaitingJob>(Math.Clamp(count, 0, waiting.Count));
        var taken = new HashSet<Guid>(picked.Capacity);
        while (picked.Count < count && Next(lanes, aged, room, taken) is { } job)
        {
            picked.Add(job);
            taken.Add(job.Id);
            room.Take(job);
        }

        return picked;
    }

    private WaitingJob? Next(Lane[] lanes, Lane aged, Room room, HashSet<Guid> taken)
    {
        WaitingJob? next = null;
        if (room.OwesBatch)
        {
            next = lanes[(int)JobPriority.Batch].Take(taken, weightOf);
        }

        if (next is null && _sinceAged + 1 >= AgedTurn && aged.Take(taken, weightOf) is { } old)
        {
            _sinceAged = 0;
            return old;
        }

        foreach (var lane in lanes)
        {
            next ??= lane.Take(taken, weightOf);
        }

        _sinceAged = Math.Min(_sinceAged + 1, AgedTurn);
        return next;
    }
}
