using System.Diagnostics;
using AiBackend.Core.Queue;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>A bad line to Redis costs time and nothing else, and is used again when it is good.</summary>
public sealed class RedisLinkTests(PostgresServer postgres)
{
    private const int Many = 10_000;

    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(15);

    public static TheoryData<string> Faults => ["slow", "blackhole", "deaf", "pieces", "resets", "refused"];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task F_15_jobs_are_done_over_a_bad_line_and_everything_is_normal_when_it_is_good_again(string fault)
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await trouble.StartWorkerAsync();
        await trouble.AssertNormalAsync();

        var since = trouble.Log.Now;
        trouble.Proxy.Fault = FaultOf(fault);
        if (fault is "resets" or "refused")
        {
            trouble.Proxy.ResetAll();
        }

        for (var round = 0; round < 3; round++)
        {
            await RedisTrouble.SubmitAsync(trouble.Worker, 20);
            await trouble.AssertAllDoneAsync(Recovery);
        }

        Assert.True(trouble.Proxy.Reached > 0);
        trouble.Proxy.Fault = Fault.None;

        await trouble.AssertNormalAsync();
        trouble.Log.AssertCalm(since);
    }

    [Theory]
    [InlineData("blackhole")]
    [InlineData("slow")]
    public async Task F_15_no_command_waits_for_longer_than_two_seconds(string fault)
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await using var core = await trouble.StartSubmitterAsync();
        var queue = core.Get<IReadyQueue>();
        await queue.HasBacklogAsync();
        trouble.Proxy.Fault = fault == "slow" ? new Fault { Delay = TimeSpan.FromSeconds(5) } : FaultOf(fault);

        var watch = Stopwatch.StartNew();
        var failures = await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ => await Record.ExceptionAsync(queue.HasBacklogAsync)));

        Assert.All(failures, Assert.NotNull);
        // Two seconds are the limit; the rest is what 200 waiting tasks may take on a busy machine. One after the other they would take minutes.
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task F_10_without_redis_at_least_a_fifth_of_the_throughput_remains()
    {
        await using var trouble = await RedisTrouble.StartAsync(postgres);
        await trouble.StartWorkerAsync();
        await trouble.AssertNormalAsync();
        await MeasureAsync(trouble, Many);

        var with = await MeasureAsync(trouble, Many);
        await trouble.Redis.StopAsync();
        var without = await MeasureAsync(trouble, Many);

        TestContext.Current.SendDiagnosticMessage($"{Many} jobs took {with} with Redis and {without} without");
        Assert.True(with / without >= 0.2, $"{Many} jobs took {with} with Redis and {without} without.");
    }

    private static async Task<TimeSpan> MeasureAsync(RedisTrouble trouble, int count)
    {
        var watch = Stopwatch.StartNew();
        await RedisTrouble.SubmitAsync(trouble.Worker, count);
        await trouble.AssertAllDoneAsync(TimeSpan.FromMinutes(1));
        return watch.Elapsed;
    }

    private static Fault FaultOf(string name) =>
        name switch
        {
            "slow" => new Fault { Delay = TimeSpan.FromMilliseconds(250), Jitter = TimeSpan.FromMilliseconds(50) },
            "blackhole" => Fault.Blackhole,
            "deaf" => new Fault { Silent = Way.Replies },
            "pieces" => new Fault { PieceSize = 1 },
            "resets" => new Fault { ResetAfter = 500 },
            "refused" => new Fault { RefusesNew = true },
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
        };
}
