using System.Diagnostics.Metrics;
using AiBackend.Core.Admission.Pace;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Admission;

/// <summary>F-24: a deployment that says it is asked too fast is asked less by all workers, and comes back without being overrun.</summary>
public sealed class PaceTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Sql = "SELECT coalesce(max(rate), 0) FROM call_paces";

    [Fact]
    public async Task A_deployment_that_nobody_slowed_down_costs_nothing()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);

        var entering = worker.Get<ICallPace>().EnterAsync(Deployment, TestRun.Cancel);

        Assert.True(entering.IsCompletedSuccessfully);
        Assert.Null(await entering);
        Assert.Equal(0, await worker.ScalarAsync<long>("SELECT count(*) FROM call_paces"));
    }

    [Fact]
    public async Task F_24_one_workers_refusal_slows_all_down_to_a_floor_and_answers_bring_them_back_until_it_is_forgotten()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(database);
        await using var other = await StartAsync(database);
        for (var call = 0; call < 40; call++)
        {
            Assert.Null(await one.Get<ICallPace>().EnterAsync(Deployment, TestRun.Cancel));
        }

        one.Get<ICallPace>().NoteTooFast(Deployment, null, null);

        // Forty within one or two seconds, by one of at most two workers that are known; half of that.
        await UntilAsync(async () => await RateAsync(one) > 0, "it is slowed");
        Assert.InRange(await RateAsync(one), 5, 40);
        await UntilAsync(() => Task.FromResult(other.Get<CallPaces>().Slowed.Any(pace => pace.PerSecond > 0)), "the other knows");

        // Many refusals within half a second are one.
        await one.ExecuteAsync("UPDATE call_paces SET rate = 40, full_rate = 80, lowered_at = now() + interval '1 minute'", Guid.Empty);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => LowerAsync(one)));
        Assert.Equal(40, await RateAsync(one));
        await AgeAsync(one, "lowered_at", 60);
        for (var refusal = 0; refusal < 12; refusal++)
        {
            await AgeAsync(one, "lowered_at", 1);
            await LowerAsync(other);
        }

        Assert.Equal(0.2, await RateAsync(one));
        using var measured = new Measurements(other.Get<IMeterFactory>(), "AiBackend.Admission");
        await UntilAsync(
            () =>
                Task.FromResult(
                    measured.Read("aibackend.provider.pace") is [(0.2, var tags)] && Equals(tags["aibackend.provider.deployment"], "p0/m")
                ),
            "the pace is measured"
        );
        Assert.Null(await EnterAsync(one));
        var full = Assert.IsType<CallEntry.Full>(await EnterAsync(other));
        Assert.Equal(ICallPace.Limit, full.Limit);
        Assert.InRange(full.Delay.TotalSeconds, 1, 5);

        for (var answer = 0; answer < 11; answer++)
        {
            await AgeAsync(one, "raised_at", 1);
            await one.ExecuteAsync("SELECT raise_pace('p0/m')", Guid.Empty);
        }

        Assert.InRange(await RateAsync(one), 80, 82);
        await AgeAsync(one, "lowered_at", 31);
        await AgeAsync(one, "used_until", 31);
        await one.ExecuteAsync("SELECT raise_pace('p0/m')", Guid.Empty);
        await UntilAsync(() => Task.FromResult(other.Get<CallPaces>().Slowed.Count == 0), "it is forgotten");
    }

    [Fact]
    public async Task F_24_nobody_asks_before_the_time_that_the_provider_named()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);

        worker.Get<ICallPace>().NoteTooFast(Deployment, TimeSpan.FromSeconds(30), null);
        await UntilAsync(async () => await RateAsync(worker) > 0, "it is slowed");

        var full = Assert.IsType<CallEntry.Full>(await EnterAsync(worker));
        Assert.InRange(full.Delay.TotalSeconds, 25, 30);
        Assert.NotNull(Assert.Single(await worker.Get<PaceStore>().ListAsync(TestRun.Cancel)).BlockedUntil);
    }

    [Fact]
    public async Task What_a_provider_says_of_its_limits_in_an_answer_is_kept_before_it_refuses()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2, requests_per_minute = 600 });
        await using var worker = await StartAsync(database, model);
        for (var job = 0; job < 3; job++)
        {
            Assert.Equal("completed", (await worker.RunJobAsync(CoreHost.Draft())).Status);
        }

        Assert.Equal(0, await worker.ScalarAsync<long>("SELECT count(*) FROM call_paces"));
        await simulator.BehaveAsync(model, new { words = 2, requests_per_minute = 2 });
        await worker.RunJobAsync(CoreHost.Draft());
        await worker.RunJobAsync(CoreHost.Draft());

        await UntilAsync(async () => await RateAsync(worker) > 0, "it is slowed before any refusal");
        Assert.DoesNotContain(
            await simulator.CallsAsync(model, TestRun.Cancel),
            call => call.GetProperty("outcome").GetString() == "rate_limited"
        );
    }

    [Fact]
    [Trait("Category", "Long")]
    public Task F_24_in_a_storm_of_refusals_calls_fall_to_a_trickle_jobs_wait_and_all_come_back() =>
        StormAsync(before: 4, storm: 8, retryAfter: null);

    [Theory]
    [Trait("Category", "Long")]
    [InlineData(null)]
    [InlineData(5)]
    public Task F_24_two_minutes_of_refusals_then_half_of_them(int? retryAfter) => StormAsync(before: 15, storm: 120, retryAfter, half: 60);

    /// <param name="before">Seconds without refusals.</param>
    /// <param name="storm">Seconds of nothing else.</param>
    /// <param name="retryAfter">Seconds that a refusal names.</param>
    /// <param name="half">Seconds of which half the calls are refused.</param>
    private async Task StormAsync(int before, int storm, int? retryAfter, int half = 0)
    {
        const int PerSecond = 20;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var submitting = SubmitAsync(worker, PerSecond, done.Token);

        await Task.Delay(TimeSpan.FromSeconds(before), TestRun.Cancel);
        await BehaveAsync(model, 1, retryAfter);
        await Task.Delay(TimeSpan.FromSeconds(storm), TestRun.Cancel);
        var late = (await CallsSinceAsync(model, TimeSpan.FromSeconds(storm > 10 ? storm - 10 : 3))).Count;
        if (half > 0)
        {
            await BehaveAsync(model, 0.5, retryAfter);
            await Task.Delay(TimeSpan.FromSeconds(half), TestRun.Cancel);
        }

        var waiting = await worker.ScalarAsync<long>(
            "SELECT count(*) FROM jobs WHERE status = 5 AND waiting_reason LIKE 'rate_limit:p0/%:pace'"
        );
        var wellAt = TimeProvider.System.GetUtcNow();
        await simulator.BehaveAsync(model, new { words = 2 });
        await Eventually.TrueAsync(
            async token => (await CallsSinceAsync(model, TimeSpan.FromSeconds(2))).Count >= 2 * PerSecond * 0.9,
            "it is asked at full speed again",
            TimeSpan.FromSeconds(90)
        );
        await Task.Delay(TimeSpan.FromSeconds(6), TestRun.Cancel);
        await done.CancelAsync();
        var jobs = await submitting;

        // The trickle: one in five seconds, and what was under way.
        var seconds = storm > 10 ? storm - 10 : 3;
        Assert.InRange(late, 0, 4 + (seconds * 0.2 * 1.5));
        Assert.True(waiting > 0, "Nobody waited for the pace.");
        var starts = (await CallsSinceAsync(model, TimeProvider.System.GetUtcNow() - wellAt)).Order().ToList();
        Assert.InRange(MostWithin(starts, TimeSpan.FromSeconds(3)), 1, 3 * PerSecond * 1.2 + 8);
        // What has waited goes at about the speed of before, so that it takes about as long as it came in.
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6") == jobs,
            "all jobs are done",
            TimeSpan.FromSeconds(60 + (2 * jobs / PerSecond))
        );
        Assert.Equal(0, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 8"));
    }

    private Task BehaveAsync(string model, double share, int? retryAfter) =>
        retryAfter is { } seconds
            ? simulator.BehaveAsync(
                model,
                new
                {
                    words = 2,
                    error_rate = share,
                    error_status = 429,
                    retry_after_s = seconds,
                }
            )
            : simulator.BehaveAsync(
                model,
                new
                {
                    words = 2,
                    error_rate = share,
                    error_status = 429,
                }
            );

    private static async Task<int> SubmitAsync(CoreHost worker, int perSecond, CancellationToken enough)
    {
        var jobs = 0;
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond);
        try
        {
            while (await timer.WaitForNextTickAsync(enough))
            {
                await worker.SubmitAsync(CoreHost.Draft());
                jobs++;
            }
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested)
        {
            // Enough.
        }

        return jobs;
    }

    private async Task<IReadOnlyList<DateTimeOffset>> CallsSinceAsync(string model, TimeSpan ago)
    {
        var since = TimeProvider.System.GetUtcNow() - ago;
        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        return [.. calls.Select(call => call.GetProperty("received_at").GetDateTimeOffset()).Where(at => at >= since)];
    }

    private static int MostWithin(List<DateTimeOffset> sorted, TimeSpan window)
    {
        var (most, first) = (0, 0);
        for (var last = 0; last < sorted.Count; last++)
        {
            while (sorted[last] - sorted[first] >= window)
            {
                first++;
            }

            most = Math.Max(most, last - first + 1);
        }

        return most;
    }

    private static ChatDeployment Deployment => new("p0", "m", false, new Providers.ScriptedChatClient());

    private Task<CoreHost> StartAsync(TestDatabase database, string model = "m") =>
        WorkerUnderTest.StartAsync(database, redis, [(simulator.Address, model)], [("Admission:Patience", "00:00:00.5")]);

    private static async Task<double> RateAsync(CoreHost worker) => Math.Round(await worker.ScalarAsync<double>(Sql), 3);

    private static async Task<CallEntry.Full?> EnterAsync(CoreHost worker) =>
        await worker.Get<ICallPace>().EnterAsync(Deployment, TestRun.Cancel);

    private static Task LowerAsync(CoreHost worker) => worker.ExecuteAsync("SELECT lower_pace('p0/m', true, 1, NULL, 0)", Guid.Empty);

    private static Task AgeAsync(CoreHost worker, string column, int seconds) =>
        worker.ExecuteAsync($"UPDATE call_paces SET {column} = {column} - interval '{seconds} seconds'", Guid.Empty);

    private static Task UntilAsync(Func<Task<bool>> condition, string what) => Eventually.TrueAsync(_ => condition(), what);
}
