namespace AiBackend.Core.Queue.Order;

/// <summary>Classes of expected run time: class n is at most 2ⁿ ms. Coarse on purpose: the line has a range of an index for each.</summary>
public static class JobLength
{
    private const int Longest = 24;

    /// <summary>The longest run time of a class.</summary>
    public static TimeSpan LongestOf(short length) => TimeSpan.FromMilliseconds(1L << length);

    /// <summary>The class of a run time.</summary>
    public static short Of(TimeSpan run) => (short)Math.Clamp(Math.Ceiling(Math.Log2(Math.Max(1, run.TotalMilliseconds))), 0, Longest);
}
