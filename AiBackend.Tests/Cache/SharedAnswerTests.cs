using AiBackend.Core.Cache;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Cache;

/// <summary>Equal jobs that ask for it share one answer: later ones take it, and those at the same time wait for the one that asks.</summary>
public sealed class SharedAnswerTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_later_equal_job_takes_the_answer_without_a_call_or_cost_and_with_a_log_like_any_other()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 3 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));

        var first = await worker.RunJobAsync(Draft());
        await UntilSettledAsync(worker);
        var draft = Draft();
        var second = await worker.RunJobAsync(draft);
        var other = await worker.RunJobAsync(Draft("""{"messages":[{"role":"user","content":"Hello!"}]}"""));
        var off = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("miss", "hit", "miss", "miss"), (Cache(first), Cache(second), Cache(other), Cache(off)));
        Assert.Equal((first.Output!.Text, first.ServedBy!.Provider), (second.Output!.Text, second.ServedBy!.Provider));
        Assert.Equal((0, 0, 0m), (second.Usage!.InputTokens, second.Usage.OutputTokens, second.Usage.CostUsd));
        Assert.Equal(3, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        Assert.Equal(
            [JobEventKind.State, JobEventKind.State, JobEventKind.Delta, JobEventKind.Usage, JobEventKind.Final],
            (await worker.EventsAsync(draft.Id)).Select(record => record.Kind)
        );
    }

    [Fact]
    public async Task An_answer_is_shared_as_long_as_its_route_is_what_it_was()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 3 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        var first = await worker.RunJobAsync(Draft());
        await UntilSettledAsync(worker);
        await RouteAsync("other", 1);
        var hit = await worker.RunJobAsync(Draft());

        await RouteAsync("default", 1);
        var anew = await worker.RunJobAsync(Draft());

        Assert.Equal(("miss", "hit", "miss"), (Cache(first), Cache(hit), Cache(anew)));

        Task RouteAsync(string name, int version) =>
            worker.ExecuteAsync(
                $"INSERT INTO routing_versions (kind, name, version, body, created_by) VALUES (1, '{name}', {version}, NULL, 'k')",
                Guid.Empty
            );
    }

    [Fact]
    public async Task Tools_that_the_model_asked_for_are_part_of_the_answer()
    {
        const string Input = """
            {"messages":[{"role":"user","content":"Weather?"}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}
            """;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { tools = "first" });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));

        var first = await worker.RunJobAsync(Draft(Input));
        await UntilSettledAsync(worker);
        var draft = Draft(Input);
        var second = await worker.RunJobAsync(draft);

        Assert.Equal(("miss", "hit"), (Cache(first), Cache(second)));
        Assert.Equal("weather", Assert.Single(first.Output!.ToolCalls).Function!.Name);
        Assert.Equal(first.Output.ToolCalls, second.Output!.ToolCalls);
        Assert.Equal(("tool_calls", "tool_calls"), (first.Output.FinishReason, second.Output.FinishReason));
        Assert.Contains(await worker.EventsAsync(draft.Id), record => record.Kind == JobEventKind.ToolCall);
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));
        Assert.Equal(2, await worker.ScalarAsync<int>("SELECT schema_version FROM cached_answers"));
    }

    [Fact]
    public async Task A_5_another_tenant_never_gets_the_answer()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 3 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        var stranger = Guid.CreateVersion7();
        await worker.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, 'stranger')", stranger);
        await worker.RunJobAsync(Draft());

        var strangers = Keyed(CoreHost.Draft() with { TenantId = stranger });
        await worker.SubmitAsync(strangers);
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(strangers.Id) == JobStatus.Completed, "it is answered");
        await UntilSettledAsync(worker);

        Assert.Equal(2, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        Assert.Equal(2, await worker.ScalarAsync<int>("SELECT count(DISTINCT tenant_id) FROM cached_answers"));
    }

    [Fact]
    public async Task Of_equal_jobs_at_the_same_time_one_asks_and_the_others_wait_without_a_slot_and_say_for_whom()
    {
        const int Jobs = 12;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 3 });
        await using var line = FaultProxy.Before(simulator.Address.Port);
        // Nobody is answered before all have come.
        line.Fault = new Fault { Silent = Way.Replies };
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (new Uri($"http://{line.Address}"), model));
        for (var i = 0; i < Jobs; i++)
        {
            await worker.SubmitAsync(Draft());
        }

        await Eventually.TrueAsync(
            async _ =>
                await CountAsync(worker, "status = 2") == 1
                && await CountAsync(worker, "status = 5 AND waiting_reason = 'single_flight:' || (SELECT job_id FROM flights WHERE leads)")
                    == Jobs - 1,
            "one runs and the others wait for it"
        );
        line.Fault = Fault.None;

        await UntilDoneAsync(worker, Jobs);
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));
        Assert.Equal(Jobs - 1, await worker.ScalarAsync<int>("SELECT count(*) FROM job_attempts WHERE cache = 'follower'"));
        Assert.Equal(1, await worker.ScalarAsync<int>("SELECT count(DISTINCT text) FROM job_outputs"));
        Assert.Equal(0, await CountAsync(worker, "attempt - excused > 1"));
        await UntilSettledAsync(worker);
    }

    [Fact]
    public async Task A_leader_that_fails_for_good_or_is_cancelled_makes_exactly_one_of_those_who_wait_the_next()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { hang = "before_first_token" });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        for (var i = 0; i < 4; i++)
        {
            await worker.SubmitAsync(Draft());
        }

        var first = await LeaderAsync(worker, waiting: 3, Guid.Empty);
        await UntilAskedAsync(model, 1);
        await worker.Get<CancelJob>().RunAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, first, TestRun.Cancel);
        var second = await LeaderAsync(worker, waiting: 2, first);
        await UntilAskedAsync(model, 2);

        await simulator.BehaveAsync(model, new { error_rate = 1, error_status = 401 });
        await worker.Get<CancelJob>().RunAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, second, TestRun.Cancel);
        await Eventually.TrueAsync(async _ => await CountAsync(worker, "status = 8") == 2, "both that are left have asked and failed");
    }

    [Fact]
    public async Task F_2_a_leader_whose_worker_dies_makes_exactly_one_of_those_who_wait_the_next()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            builder => builder.AddSharedAnswers()
        );
        var answers = core.Get<SharedAnswers>();
        var (leader, one, two) = (await EnterAsync(core), await EnterAsync(core), await EnterAsync(core));
        Assert.IsType<FlightEntry.Leads>(leader.Entry);
        Assert.Equal(new FlightEntry.Follows(leader.Id), one.Entry);
        Assert.Equal(new FlightEntry.Follows(leader.Id), two.Entry);

        await core.ExpireLeaseAsync(leader.Id);
        Assert.Equal(1, await core.Get<RescueJobs>().RunAsync(TestRun.Cancel));
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => answers.SettleAsync(TestRun.Cancel)));

        Assert.Equal(one.Id.ToString(), await core.ScalarAsync<string>("SELECT string_agg(job_id::text, ',') FROM flights WHERE leads"));
        Assert.Equal(1, await CountAsync(core, "status = 5 AND due_at <= now()"));
        // The job that was rescued finds another one leading, and waits like the rest.
        var again = await core.ClaimAsync(leader.Id);
        Assert.Equal(new FlightEntry.Follows(one.Id), await answers.EnterAsync(again.Job, TestRun.Cancel));
    }

    [Fact]
    public async Task What_a_person_or_a_timeout_let_pass_is_not_shared()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            builder => builder.AddSharedAnswers()
        );
        foreach (var isAsked in (bool[])[true, false])
        {
            var id = await core.SubmitAsync(Draft());
            var running = await core.ClaimAsync(id);
            Assert.IsType<FlightEntry.Leads>(await core.Get<SharedAnswers>().EnterAsync(running.Job, TestRun.Cancel));
            var by = new ApiContracts.Jobs.ServedBy("sim", "sim-fast", null, 0, Simulated: true);
            if (isAsked)
            {
                var asks = AttemptEnd.AskedForReview(new("{}", Timeout: null, WaitDefault.Reject), "Wrong") with { ServedBy = by };
                Assert.True(await running.EndAsync(asks));
                var wait = new WaitKey(ApiKeyStore.DefaultTenant, id, 1);
                await core.Get<AnswerWait>().ReviewAcceptsAsync(wait, editedText: null, words: null, TestRun.Cancel);
            }
            else
            {
                Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Right") with { ServedBy = by }));
            }

            Assert.Equal(JobStatus.Completed, await core.StatusAsync(id));
            await core.Get<SharedAnswers>().SettleAsync(TestRun.Cancel);
            Assert.Equal(0, await core.ScalarAsync<int>("SELECT count(*) FROM flights"));
            Assert.Equal(isAsked ? 0 : 1, await core.ScalarAsync<int>("SELECT count(*) FROM cached_answers"));
        }
    }

    /// <summary>Submits and claims a job, lets it enter, and ends its attempt if it has to wait.</summary>
    private static async Task<(Guid Id, FlightEntry Entry)> EnterAsync(CoreHost core)
    {
        var id = await core.SubmitAsync(Draft());
        var running = await core.ClaimAsync(id);
        var entry = await core.Get<SharedAnswers>().EnterAsync(running.Job, TestRun.Cancel);
        if (entry is FlightEntry.Follows(var leader))
        {
            var error = new ApiContracts.Jobs.JobError("single_flight", "transient", "It waits.", true);
            Assert.True(await running.EndAsync(AttemptEnd.WaitsForProvider(error, $"single_flight:{leader}", TimeSpan.FromMinutes(5))));
        }

        return (id, entry);
    }

    private static async Task<Guid> LeaderAsync(CoreHost worker, int waiting, Guid before)
    {
        await Eventually.TrueAsync(
            async _ =>
                await CountAsync(worker, "status = 2") == 1
                && await CountAsync(worker, "status = 5") == waiting
                && await worker.ScalarAsync<string>("SELECT coalesce((SELECT job_id FROM flights WHERE leads), @id)::text", before)
                    != before.ToString(),
            "another one asks and the others wait"
        );
        return Guid.Parse(await worker.ScalarAsync<string>("SELECT id::text FROM jobs WHERE status = 2"));
    }

    private Task UntilAskedAsync(string model, int calls) =>
        Eventually.TrueAsync(async token => (await simulator.CallsAsync(model, token)).Count == calls, $"it was asked {calls} times");

    private static Task UntilSettledAsync(CoreHost worker) =>
        Eventually.TrueAsync(async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM flights") == 0, "nobody is left");

    private static JobDraft Draft(string? input = null) => Keyed(input is null ? CoreHost.Draft() : CoreHost.Draft(input: input));

    private static JobDraft Keyed(JobDraft draft) => draft with { CacheKey = CacheKey.Of(draft) };

    private static string? Cache(ApiContracts.Jobs.Job job) => job.ServedBy?.Cache;

    private static Task UntilDoneAsync(CoreHost worker, int jobs) =>
        Eventually.TrueAsync(async _ => await CountAsync(worker, "status = 6") == jobs, "all are done", TimeSpan.FromSeconds(30));

    private static Task<int> CountAsync(CoreHost worker, string condition) =>
        worker.ScalarAsync<int>($"SELECT count(*) FROM jobs WHERE {condition}");
}
