using System.Globalization;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>
/// Half an hour of load: quiet at first, then four workers killed at random (F-3), then the Api and Redis too, while workers are also
/// told to stop (F-7). What got done while workers died is compared with what got done in quiet, in the same run.
/// </summary>
[Trait("Category", "Long")]
public sealed class RandomKillTests
{
    private const double LeastGoodput = 0.6;
    private const double LeastKillsPerMinute = 200 / 30d;
    private const int StopsEvery = 5;

    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan MostPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AgeUpAfter = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task F_3_F_7_no_invariant_is_violated_by_random_kills_and_goodput_stays_above_60_percent()
    {
        StackFixture.RequireServers();
        var whole = TestRun.ChaosDuration;
        await using var stack = await Stack.StartAsync("--AiBackend:Workers=4");
        await SetAgeingAsync(stack);
        await using var run = await ChaosRun.StartAsync(stack, perSecond: 20, readers: 50, AgeUpAfter, withTools: true);

        var quiet = await GoodputAsync(run, whole * 0.1, []);
        var workersDie = await GoodputAsync(run, whole * 0.4, ["worker"]);
        var allDie = await GoodputAsync(run, whole * 0.5, ["worker", "api", "worker", "redis"], StopsEvery);
        var findings = await run.EndAsync(TimeSpan.FromMinutes(5));

        await run.AssertNothingIsViolatedAsync(
            findings,
            ("workers told to stop", $"{run.Tormentor.Stops}"),
            ("jobs/s ended well in quiet", Number(quiet)),
            ("jobs/s ended well while workers died", Number(workersDie)),
            ("jobs/s ended well while everything died", Number(allDie)),
            ("goodput while workers died, share of quiet", Number(workersDie / quiet))
        );
        Assert.InRange(workersDie / quiet, LeastGoodput, double.MaxValue);
        Assert.DoesNotContain(findings, finding => finding.IsUndecided);
        Assert.InRange(run.Tormentor.Kills.Values.Sum(), LeastKillsPerMinute * whole.TotalMinutes, double.MaxValue);
        Assert.All((string[])["worker", "api", "redis"], program => Assert.True(run.Tormentor.Kills.ContainsKey(program), program));
    }

    /// <summary>Jobs that end well in a second, while the named programs are killed.</summary>
    private static async Task<double> GoodputAsync(ChaosRun run, TimeSpan duration, IReadOnlyList<string> victims, int? stopsEvery = null)
    {
        var before = await run.EndedWellAsync();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        over.CancelAfter(duration);
        if (victims.Count > 0)
        {
            await run.Tormentor.RunAsync(victims, LeastPause, MostPause, stopsEvery, over.Token);
        }
        else
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return (await run.EndedWellAsync() - before) / duration.TotalSeconds;
    }

    /// <summary>Sooner than by default, so that a job that is forgotten is late in this run already (I-16).</summary>
    private static async Task SetAgeingAsync(Stack stack)
    {
        for (var replica = 0; replica < stack.Processes.Of("worker").Count; replica++)
        {
            stack.Processes.SetVariable("worker", "Queue__AgeUpAfter", AgeUpAfter.ToString(), replica);
            await stack.Processes.WaitForRestartAsync("worker", stack.Processes.Kill("worker", replica), replica, TestRun.Cancel);
        }
    }

    private static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
