namespace AiBackend.Core.Webhooks;

/// <summary>When a message is tried again: ten times in three days, as Standard Webhooks recommends.</summary>
internal static class DeliverySchedule
{
    /// <summary>What an answer may take.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);

    /// <summary>After so long a try that nobody ended was lost with its process.</summary>
    public static readonly TimeSpan LongestTry = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan[] Delays =
    [
        TimeSpan.FromSeconds(5),
        TimeSpan.FromMinutes(5),
        TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(2),
        TimeSpan.FromHours(5),
        TimeSpan.FromHours(10),
        TimeSpan.FromHours(14),
        TimeSpan.FromHours(20),
        TimeSpan.FromHours(24),
    ];

    private static readonly TimeSpan LongestAsked = TimeSpan.FromHours(24);

    /// <summary>How often a message is tried.</summary>
    public static int Tries => Delays.Length + 1;

    /// <returns>The wait after a try that failed; null when it was the last one.</returns>
    /// <param name="tries">Tries so far.</param>
    /// <param name="asked">The wait that the receiver asked for.</param>
    /// <param name="chance">From 0 to 1: receivers that failed together are not asked together.</param>
    public static TimeSpan? After(int tries, TimeSpan? asked, double chance)
    {
        if (tries >= Tries)
        {
            return null;
        }

        var delay = Delays[tries - 1] * (1 + chance / 10);
        return asked is { } wish && wish > delay ? (wish < LongestAsked ? wish : LongestAsked) : delay;
    }
}
