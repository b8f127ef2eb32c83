namespace AiBackend.Core.Queue.Order;

/// <summary>Jobs of one class of length that ended lately.</summary>
/// <param name="Length">The class, by the time they really ran.</param>
/// <param name="Count">How many.</param>
/// <param name="Seconds">How long they ran together.</param>
public readonly record struct LengthLoad(short Length, int Count, double Seconds);

/// <summary>What the leader knows of the jobs that ended lately.</summary>
public sealed class RecentLoads
{
    /// <summary>How much work of each length there was; empty before anything is known.</summary>
    public IReadOnlyList<LengthLoad> ByLength { get; set; } = [];
}

/// <summary>Which jobs are long, and how many slots are kept free of them: it follows from the load of each length.</summary>
/// <param name="LongFrom">The first class that is long.</param>
/// <param name="Kept">Slots that long jobs may not have.</param>
public readonly record struct LengthSplit(short LongFrom, int Kept)
{
    /// <summary>Nothing is long.</summary>
    public static LengthSplit None { get; } = new(short.MaxValue, 0);

    // Of fewer slots one would be too many to keep.
    private const int FewSlots = 8;

    /// <summary>Long jobs must be so many times longer on the average that waiting for one hurts.</summary>
    private const double Contrast = 4;

    /// <summary>Short jobs must be so few seconds that their slots are a small part of all.</summary>
    private const int MostKept = 4;

    // Of cuts that let almost as many pass, the shortest notices soonest that a job takes longer than was expected.
    private const double PriceOfAClass = 0.002;

    /// <summary>The cut below which the most jobs are, of those whose work fits into a quarter of the slots.</summary>
    public static LengthSplit Of(IReadOnlyCollection<LengthLoad> loads, int slots)
    {
        var best = (Split: None, Worth: 0.0);
        var jobs = loads.Sum(load => (double)load.Count);
        for (var cut = 1; slots >= FewSlots && cut <= 24; cut++)
        {
            var below = loads.Where(load => load.Length < cut).ToList();
            var (count, seconds) = (below.Sum(load => load.Count), below.Sum(load => load.Seconds));
            var (longs, longSeconds) = (jobs - count, loads.Sum(load => load.Seconds) - seconds);
            if (count == 0 || longs == 0 || longSeconds / longs < Contrast * seconds / count)
            {
                continue;
            }

            var kept = (int)Math.Ceiling(slots * seconds / (seconds + longSeconds));
            var worth = (count / jobs) - (cut * PriceOfAClass);
            if (kept <= slots / MostKept && worth > best.Worth)
            {
                best = (new((short)cut, kept), worth);
            }
        }

        return best.Split;
    }
}
