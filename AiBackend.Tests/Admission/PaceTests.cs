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
        await one.ExecuteAsync(
            "UPDATE call_paces SET rate = 40, full_rate = 80, begun_at = now() - interval '1 minute', lowered_at = now() + interval '1 minute'",
            Guid.Empty
        );
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
    public async Task F_24_what_a_deployment_bore_is_what_all_asked_of_it_together_and_it_does_not_come_back_faster_than_that()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);

        await LowerAsync("one", 30);
        // These two seconds last until the test says so.
        await AgeAsync(worker, "begun_at", -60);
        await LowerAsync("other", 10);
        await LowerAsync("one", 1);

        Assert.Equal((40, 40), await FullAsync());
        await AgeAsync(worker, "begun_at", 60 + 3);
        await LowerAsync("late", 100);
        Assert.Equal((40, 40), await FullAsync());
        await worker.ExecuteAsync("UPDATE call_paces SET rate = 40", Guid.Empty);
        await worker.ExecuteAsync("SELECT raise_pace('p0/m')", Guid.Empty);
        Assert.Equal(40, await RateAsync(worker));

        Task LowerAsync(string process, int rate) =>
            worker.ExecuteAsync($"SELECT lower_pace('p0/m', true, {rate}, NULL, 0, '{process}')", Guid.Empty);

        async Task<(double Full, double Peak)> FullAsync() =>
            (
                await worker.ScalarAsync<double>("SELECT full_rate FROM call_paces"),
                await worker.ScalarAsync<double>("SELECT peak_rate FROM call_paces")
            );
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
