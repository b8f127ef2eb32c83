using System.Diagnostics.Metrics;
using AiBackend.Core.Admission;
using AiBackend.Core.Jobs;
using AiBackend.Core.Routing;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Routing;

/// <summary>What operators change reaches the workers while they run.</summary>
public sealed partial class RoutedJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_job_of_a_route_that_was_just_made_runs_on_a_worker_that_has_not_seen_it_yet()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (first, second) = (await simulator.ModelAsync(new { words = 2 }), await simulator.ModelAsync(new { words = 2 }));
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, first), (simulator.Address, second)],
            [("Routing:RefreshEvery", "00:01:00")]
        );
        await RouteAsync(worker, "backwards", ("p1", second, null), ("p0", first, null));

        var job = await worker.RunJobAsync(CoreHost.Draft() with { Model = "backwards" });

        Assert.Equal(("completed", "p1", second), (job.Status, job.ServedBy!.Provider, job.ServedBy.Model));
        var trace = await new JobTraces(worker.Database).FindAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, job.Id, TestRun.Cancel);
        Assert.Equal(1, Assert.Single(Assert.Single(trace!.Attempts).Calls).RouteVersion);
    }

    [Fact]
    public async Task A_job_whose_deadline_is_near_is_answered_by_the_faster_model_and_its_log_says_why()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (good, fast) = (await simulator.ModelAsync(new { words = 2 }), await simulator.ModelAsync(new { words = 2 }));
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, good), (simulator.Address, fast)],
            []
        );
        await RouteAsync(worker, "r", ("p1", fast, """{"seconds_left_below":60}"""), ("p0", good, null));
        using var measured = new Measurements(worker.Get<IMeterFactory>(), "AiBackend.Providers");

        var relaxed = await worker.RunJobAsync(
            CoreHost.Draft() with
            {
                Model = "r",
                Deadline = TimeProvider.System.GetUtcNow().AddHours(1),
            }
        );
        var pressed = CoreHost.Draft() with { Model = "r", Deadline = TimeProvider.System.GetUtcNow().AddSeconds(40) };
        var hurried = await worker.RunJobAsync(pressed);

        Assert.Equal((good, fast), (relaxed.ServedBy!.Model, hurried.ServedBy!.Model));
        var notice = Assert.Single(await worker.EventsAsync(pressed.Id), each => each.Kind == JobEventKind.Notice);
        Assert.Contains("model_switched", notice.Data, StringComparison.Ordinal);
        Assert.Contains("The deadline is near", notice.Data, StringComparison.Ordinal);
        var (switches, tags) = Assert.Single(measured.Of("aibackend.provider.switches"));
        Assert.Equal((1, fast), (switches, tags["gen_ai.request.model"]));
    }

    [Fact]
    public async Task While_interactive_jobs_wait_too_long_those_that_leave_their_model_to_us_get_the_faster_one_and_no_others()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var good = await simulator.ModelAsync(new { words = 2, ttft_ms = 1000 });
        var fast = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, good), (simulator.Address, fast)],
            [("Queue:InteractiveGoal", "00:00:00.300"), ("Worker:MaxConcurrentJobs", "4")]
        );
        await RouteAsync(worker, "auto", ("p1", fast, """{"under_pressure":true}"""), ("p0", good, null));
        // Not interactive, or on a slow machine this one may itself wait too long.
        var calm = await worker.RunJobAsync(CoreHost.Draft() with { Model = "auto" });

        // More than the slots hold, until jobs are moved.
        for (var i = 0; i < 24; i++)
        {
            await worker.SubmitAsync(CoreHost.Draft() with { Model = good, Priority = JobPriority.Interactive });
        }

        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<double>("SELECT usual_share FROM line_outlook") <= 0,
            "the leader moves jobs"
        );
        var named = CoreHost.Draft() with { Model = good, Priority = JobPriority.Interactive };
        var naming = worker.RunJobAsync(named);
        // A worker waits a twentieth of a second for what Postgres says of it, and where that is too short the job gets its usual model.
        var moved = await Eventually.GetAsync(
            _ => worker.RunJobAsync(CoreHost.Draft() with { Model = "auto", Priority = JobPriority.Interactive }),
            job => job.ServedBy?.Model == fast,
            "a job is moved",
            TimeSpan.FromSeconds(60)
        );

        Assert.Equal((good, good), (calm.ServedBy!.Model, (await naming).ServedBy!.Model));
        var notice = Assert.Single(await worker.EventsAsync(moved.Id), each => each.Kind == JobEventKind.Notice);
        Assert.Contains("model_switched", notice.Data, StringComparison.Ordinal);
        Assert.Contains("Others wait too long", notice.Data, StringComparison.Ordinal);
        Assert.DoesNotContain(await worker.EventsAsync(named.Id), each => each.Kind == JobEventKind.Notice);
    }

    [Fact]
    public async Task A_route_that_asks_the_cheapest_first_follows_the_prices_and_asks_who_has_none_last()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (free, dear, cheap) = (
            await simulator.ModelAsync(new { words = 2 }),
            await simulator.ModelAsync(new { words = 2 }),
            await simulator.ModelAsync(new { error_rate = 1, error_status = 503 })
        );
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, free), (simulator.Address, dear), (simulator.Address, cheap)],
            [.. Price(0, "p1", dear, 30), .. Price(1, "p2", cheap, 3)]
        );
        const string Order = """ "order":"cheapest", """;
        await RouteAsync(worker, "r", Order, ("p0", free, null), ("p1", dear, null), ("p2", cheap, null));

        var job = await worker.RunJobAsync(CoreHost.Draft() with { Model = "r" });

        // The cheapest was asked first, and failed; the next one is the dearer one and not the one without a price.
        Assert.Equal(("completed", dear, 1), (job.Status, job.ServedBy!.Model, job.ServedBy.Fallbacks));
        Assert.Single(await simulator.CallsAsync(cheap, TestRun.Cancel));
        Assert.Empty(await simulator.CallsAsync(free, TestRun.Cancel));

        static IEnumerable<(string, string)> Price(int n, string provider, string model, int dollars) =>
            new[] { ("Provider", provider), ("Model", model), ("Input", $"{dollars}"), ("Output", $"{dollars}") }.Select(each =>
                ($"Money:Prices:{n}:{each.Item1}", each.Item2)
            );
    }

    private static Task<RoutingVersion?> ContextAsync(CoreHost worker, string deployment, int tokens) =>
        worker
            .Get<RoutingStore>()
            .AddAsync(RoutingKind.Deployment, deployment, $$"""{"context_tokens":{{tokens}} }""", null, "k", TestRun.Cancel);

    [Fact]
    public async Task A_key_that_was_set_is_sent_from_the_next_call_on()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(Wire.OpenAi, "Yes.")));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, [(provider.Address, "m")], []);
        await worker.RunJobAsync(CoreHost.Draft());

        await worker.Get<CredentialStore>().SetAsync("p0", null, "sk-the-new-one-0001", "k", TestRun.Cancel);
        await Eventually.TrueAsync(
            async _ =>
            {
                await worker.RunJobAsync(CoreHost.Draft());
                return provider.Requests[^1].Header("Authorization") == "Bearer sk-the-new-one-0001";
            },
            "the new key is used"
        );

        Assert.Equal("Bearer sk-secret-of-the-test", provider.Requests[0].Header("Authorization"));
        await worker.Get<CredentialStore>().SetAsync("p0", "m", "sk-of-the-model-0002", "k", TestRun.Cancel);
        await Eventually.TrueAsync(
            async _ =>
            {
                await worker.RunJobAsync(CoreHost.Draft());
                return provider.Requests[^1].Header("Authorization") == "Bearer sk-of-the-model-0002";
            },
            "the model's own key goes before the provider's"
        );
    }

    [Fact]
    public async Task A_limit_that_was_set_holds_for_the_calls_after_it()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [("Routing:RefreshEvery", "00:00:00.1"), ("Admission:Patience", "00:00:00")]
        );
        await worker.RunJobAsync(CoreHost.Draft());
        var body = """{"limits":{"requests_per_minute":1}}""";
        await worker.Get<RoutingStore>().AddAsync(RoutingKind.Deployment, $"p0/{model}", body, null, "k", TestRun.Cancel);

        await Eventually.TrueAsync(
            async _ =>
            {
                await worker.SubmitAsync();
                return await worker.ScalarAsync<long>(
                        "SELECT count(*) FROM jobs WHERE waiting_reason LIKE 'rate_limit:%requests_per_minute'"
                    ) > 0;
            },
            "jobs wait for the new limit"
        );
    }

    [Fact]
    public async Task What_calls_used_of_their_limits_can_be_read_until_the_window_is_over()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [("AIBACKEND_PROVIDERS:0:TOKENS_PER_MINUTE", "100000"), ("Admission:Window", "00:00:06")]
        );
        var use = new LimitUse(worker.Database);

        var usage = (await worker.RunJobAsync(CoreHost.Draft())).Usage!;

        await Eventually.TrueAsync(
            async token =>
            {
                var used = (await use.ReadAsync(token))[$"p0/{model}"];
                if (used == default)
                {
                    // On a slow machine the window may be over before anybody looks.
                    usage = (await worker.RunJobAsync(CoreHost.Draft())).Usage!;
                }

                return used == new UsedLimits(1, usage.InputTokens, usage.OutputTokens, 0);
            },
            "what was used is in place of what was reserved"
        );
        await Eventually.TrueAsync(
            async _ => (await use.ReadAsync(TestRun.Cancel))[$"p0/{model}"] == default,
            "the window is over although nobody calls"
        );
    }

    private static Task<RoutingVersion?> RouteAsync(
        CoreHost worker,
        string name,
        params (string Provider, string Model, string? When)[] targets
    ) => RouteAsync(worker, name, "", targets);

    private static Task<RoutingVersion?> RouteAsync(
        CoreHost worker,
        string name,
        string more,
        params (string Provider, string Model, string? When)[] targets
    )
    {
        var list = targets.Select(target =>
            $$"""{"provider":"{{target.Provider}}","model":"{{target.Model}}","when":{{target.When ?? "null"}} }"""
        );
        var body = $$"""{ {{more}} "targets":[{{string.Join(',', list)}}]}""";
        return worker.Get<RoutingStore>().AddAsync(RoutingKind.Route, name, body, null, "k", TestRun.Cancel);
    }
}
