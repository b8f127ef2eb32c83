using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

/// <summary>Jobs for tests of the order.</summary>
internal static class Line
{
    public static readonly TimeSpan AgeUpAfter = TimeSpan.FromMinutes(5);

    private static long _made;

    /// <summary>Tiers that are their own weights.</summary>
    public static FairLine New() => new(AgeUpAfter, tier => double.Parse(tier, System.Globalization.CultureInfo.InvariantCulture));

    public static Guid Tenant(int number) => new(number, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]);

    /// <summary>A job that is newer than all before it.</summary>
    public static WaitingJob Job(
        int tenant = 1,
        JobPriority level = JobPriority.Standard,
        short length = 10,
        int tokens = 100,
        double waited = 0,
        int weight = 1
    ) =>
        new(
            Guid.Parse($"{Interlocked.Increment(ref _made):x8}-0000-7000-8000-000000000000"),
            Tenant(tenant),
            weight.ToString(System.Globalization.CultureInfo.InvariantCulture),
            level,
            length,
            tokens,
            TimeSpan.FromSeconds(waited),
            "default"
        );
}
