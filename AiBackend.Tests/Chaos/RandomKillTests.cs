using System.Globalization;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>
/// Half an hour of load: quiet at first, then four workers killed at random (F-3), then the Api and Redis too. What got done
/// while workers died is compared with what got done in quiet, in the same run.
/// </summary>
[Trait("Category", "Long")]
public sealed class RandomKillTests
{
    private const double LeastGoodput = 0.6;
    private const double LeastKillsPerMinute = 200 / 30d;

    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan MostPause = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task F_3_no_invariant_is_violated_in_half_an_hour_of_random_kills_and_goodput_stays_above_60_percent()
    {
        StackFixture.RequireServers();
        var whole = TestRun.ChaosDuration;
        await using var stack = await Stack.StartAsync("--AiBackend:Workers=4");
        await using var run = await ChaosRun.StartAsync(stack, perSecond: 20, readers: 50);

        var quiet = await GoodputAsync(run, whole * 0.1, []);
        var workersDie = await GoodputAsync(run, whole * 0.4, ["worker"]);
        var allDie = await GoodputAsync(run, whole * 0.5, ["worker", "api", "worker", "redis"]);
        var findings = await run.EndAsync(TimeSpan.FromMinutes(5));

        run.AssertNothingIsViolated(
            findings,
            ("jobs/s ended well in quiet", Number(quiet)),
            ("jobs/s ended well while workers died", Number(workersDie)),
            ("jobs/s ended well while everything died", Number(allDie)),
            ("goodput while workers died, share of quiet", Number(workersDie / quiet))
        );
        Assert.InRange(workersDie / quiet, LeastGoodput, double.MaxValue);
        Assert.InRange(run.Tormentor.Kills.Values.Sum() / whole.TotalMinutes, LeastKillsPerMinute * 0.9, double.MaxValue);
        Assert.All((string[])["worker", "api", "redis"], program => Assert.True(run.Tormentor.Kills.ContainsKey(program), program));
    }

    /// <summary>Jobs that end well in a second, while the named programs are killed.</summary>
    private static async Task<double> GoodputAsync(ChaosRun run, TimeSpan duration, IReadOnlyList<string> victims)
    {
        var before = await run.EndedWellAsync();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        over.CancelAfter(duration);
        if (victims.Count > 0)
        {
            await run.Tormentor.RunAsync(victims, LeastPause, MostPause, over.Token);
        }
        else
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return (await run.EndedWellAsync() - before) / duration.TotalSeconds;
    }

    private static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
