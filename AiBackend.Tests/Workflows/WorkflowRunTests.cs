using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Routing;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Runs on a worker, with a provider.</summary>
public sealed class WorkflowRunTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Batch = """
        {"steps":[
          {"name":"each","type":"map","over":"{{input.documents}}","concurrency":2,
           "step":{"type":"chat","messages":[{"role":"user","content":"Read {{item}}"}],
                   "contract":{"schema":{"type":"object","properties":{"total":{"type":"number"}},"required":["total"]} } } },
          {"name":"sum","type":"transform","value":{"first":"{{steps.each.0.total}}","all":"{{steps.each}}"} },
          {"name":"say","type":"chat","messages":[{"role":"user","content":"Say {{steps.sum.first}}"}]}],
         "output":{"said":"{{steps.say}}","totals":"{{steps.sum.all}}"} }
        """;

    [Fact]
    public async Task A_run_does_its_steps_as_jobs_and_gives_what_they_gave()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { json = "valid", words = (int?)null });

        var job = await worker.RunJobAsync(Run(Batch, """{"documents":["a","b","c"]}"""));

        Assert.True(job.Status == "completed", $"{job.Status}: {job.Error?.Message}");
        using var output = JsonDocument.Parse(job.Output!.Text);
        Assert.Equal(3, output.RootElement.GetProperty("totals").GetArrayLength());
        Assert.NotEqual("", output.RootElement.GetProperty("said").GetString());
        var steps = await worker.Get<RunStepStore>().ShowAsync(ApiKeyStore.DefaultTenant, job.Id, null, 100, TestRun.Cancel);
        Assert.Equal(6, steps.Count);
        Assert.All(steps, step => Assert.Equal((RunStepStatuses.Succeeded, true), (step.Status, step.EndedAt is not null)));
        // Four of them were jobs, each submitted once.
        Assert.Equal(4, steps.Count(step => step.JobId is not null));
        Assert.Equal(5L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task I_19_a_step_that_was_written_down_and_not_submitted_is_done_once_by_whoever_comes_next()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { words = 2 });
        var run = Run("""{"steps":[{"name":"one","type":"chat","messages":[{"role":"user","content":"Hi"}]}]}""", "{}");
        // As a worker leaves it that dies between the two.
        var stepJob = Guid.CreateVersion7();
        await using (
            var died = worker.Database.CreateCommand(
                $"INSERT INTO workflow_steps (run_id, name, tenant_id, state, job_id) VALUES ('{run.Id}', 'one', '{ApiKeyStore.DefaultTenant}', 1, '{stepJob}')"
            )
        )
        {
            await died.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        var job = await worker.RunJobAsync(run);

        Assert.Equal("completed", job.Status);
        var step = Assert.Single(await worker.Get<RunStepStore>().ShowAsync(ApiKeyStore.DefaultTenant, job.Id, null, 100, TestRun.Cancel));
        Assert.Equal((stepJob, RunStepStatuses.Succeeded), (step.JobId, step.Status));
        Assert.Equal(2L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task A_zombie_writes_nothing_of_a_run_that_another_holds()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        var run = Run("""{"steps":[{"name":"one","type":"timer","seconds":1}]}""", "{}");
        await worker.SubmitAsync(run);
        using var held = await worker.ClaimAsync(run.Id);
        var steps = new RunStepStore(worker.Database);
        StepState[] begun = [new("one", null, StepStatus.Running)];

        var late = await steps.WriteAsync(ApiKeyStore.DefaultTenant, held.Job.Lease with { Epoch = 7 }, begun, TestRun.Cancel);
        var own = await steps.WriteAsync(ApiKeyStore.DefaultTenant, held.Job.Lease, begun, TestRun.Cancel);

        Assert.Equal((StepsWritten.Nothing, StepsWritten.All), (late, own));

        Assert.Single(await steps.ReadAsync(ApiKeyStore.DefaultTenant, run.Id, TestRun.Cancel));
    }

    [Fact]
    public async Task A_run_waits_for_time_and_events_without_a_slot_and_each_event_is_taken_once()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { words = 2 });
        var run = Run(
            """{"steps":[{"name":"pause","type":"timer","seconds":0.2},{"name":"paid","type":"event","after":["pause"]},{"name":"out","type":"transform","value":"{{steps.paid.amount}}"}]}""",
            "{}"
        );
        await worker.SubmitAsync(run);
        var steps = worker.Get<RunStepStore>();
        using var data = JsonDocument.Parse("""{"amount":12}""");
        await worker.UntilAsync(
            async () => await steps.PostAsync(ApiKeyStore.DefaultTenant, run.Id, "paid", data.RootElement, TestRun.Cancel),
            "the run waits for the event"
        );

        Assert.False(await steps.PostAsync(ApiKeyStore.DefaultTenant, run.Id, "paid", data.RootElement, TestRun.Cancel));
        await worker.UntilAsync(async () => await worker.StatusAsync(run.Id) == JobStatus.Completed, "the run ends");
        Assert.Equal("12", (await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
    }

    [Fact]
    public async Task A_step_that_fails_fails_the_run_and_one_that_may_leaves_it_partly_completed()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { error_rate = 1, error_status = 400 });
        const string Chat = "\"type\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";

        var failed = await worker.RunJobAsync(Run($$"""{"steps":[{"name":"one",{{Chat}} }]}""", "{}"));
        var partial = await worker.RunJobAsync(
            Run(
                $$"""{"steps":[{"name":"one",{{Chat}},"on_failure":"skip"},{"name":"two","type":"transform","value":"x","after":["one"]}]}""",
                "{}"
            )
        );

        Assert.Equal(("failed", "step_failed"), (failed.Status, failed.Error!.Code));
        Assert.Contains("Step one failed", failed.Error.Message, StringComparison.Ordinal);
        Assert.Equal(("partially_completed", "x"), (partial.Status, partial.Output!.Text));
        Assert.StartsWith("one: ", Assert.Single(partial.Output.Missing), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_run_may_use_bounds_the_calls_of_its_steps_together()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { words = 40 });
        const string Steps = """
            {"steps":[{"name":"one","type":"chat","messages":[{"role":"user","content":"Hi"}],"max_output_tokens":50},
                      {"name":"two","type":"chat","messages":[{"role":"user","content":"Hi"}],"max_output_tokens":50,"after":["one"]}]}
            """;

        var ample = await worker.RunJobAsync(RunDraft.Of(Steps, "{}", new RunLimits { MaxTokens = 10_000 }));
        // Enough for the first step and not for another one.
        var tight = await worker.RunJobAsync(RunDraft.Of(Steps, "{}", new RunLimits { MaxTokens = 70 }));

        Assert.Equal("completed", ample.Status);
        Assert.Equal("failed", tight.Status);
        Assert.Equal(
            "completed ,failed run_limit_reached",
            await worker.ScalarAsync<string>(
                $"""
                SELECT string_agg(CASE j.status WHEN 6 THEN 'completed ' ELSE 'failed ' END || coalesce(j.error_code, ''), ',' ORDER BY s.name)
                  FROM workflow_steps s JOIN jobs j ON j.id = s.job_id WHERE s.run_id = '{tight.Id}'
                """
            )
        );
    }

    [Fact]
    public async Task The_jobs_of_a_run_that_is_cancelled_are_cancelled_with_it()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { hang_after_tokens = 1, words = 5 });
        var run = Run("""{"steps":[{"name":"one","type":"chat","messages":[{"role":"user","content":"Hi"}]}]}""", "{}");
        await worker.SubmitAsync(run);
        await worker.UntilAsync(
            async () =>
                await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE type = 1 AND status = 2") == 1
                && await worker.StatusAsync(run.Id) == JobStatus.Retrying,
            "the step is under way"
        );

        await worker.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, run.Id, TestRun.Cancel);

        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 9") == 2,
            "the step's job is cancelled too"
        );
        // Nobody looks at what is over any more.
        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM workflow_steps WHERE ended_at IS NULL") == 0,
            "the step is closed"
        );
    }

    [Fact]
    public async Task A_run_that_is_over_submits_nothing_any_more()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { words = 2 });

        var job = await worker.RunJobAsync(
            Run(
                """{"steps":[{"name":"one","type":"chat","messages":[{"role":"user","content":"Hi"}]},{"name":"two","type":"map","over":"{{input}}","step":{"type":"chat","messages":[{"role":"user","content":"Hi"}]}}]}""",
                "{}"
            )
        );

        Assert.Equal(("failed", "step_failed"), (job.Status, job.Error!.Code));
        Assert.Contains("two failed: {{input}} is no list", job.Error.Message, StringComparison.Ordinal);
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task Keys_that_may_ask_only_some_models_run_what_asks_none_of_the_others()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, new { words = 2 });
        var key = ApiKey.Create(live: false);
        await worker.Get<ApiKeyStore>().AddAsync(key, ApiKeyStore.DefaultTenant, "k", ["*"], TestRun.Cancel);
        await worker.ExecuteAsync("UPDATE api_keys SET allowed_models = '{other}'", Guid.Empty);
        const string Chat = """{"name":"a","type":"chat","messages":[{"role":"user","content":"Hi"}]}""";

        var made = await worker.RunJobAsync(Run("""{"steps":[{"name":"a","type":"transform","value":1}]}""", "{}") with { KeyId = key.Id });
        var asked = await worker.RunJobAsync(Run($$"""{"steps":[{{Chat}}]}""", "{}") with { KeyId = key.Id });

        Assert.Equal("completed", made.Status);
        Assert.Equal("failed", asked.Status);
        Assert.Contains("may not ask for default", asked.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_is_held_to_its_route_s_contract_and_waits_for_workers_that_understand_it()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { json = "valid", words = (int?)null });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        var route =
            $$"""{"targets":[{"provider":"p0","model":"{{model}}"}],"contract":{"schema":{"type":"object","properties":{"total":{"type":"number"} },"required":["total"]} } }""";
        await worker.Get<RoutingStore>().AddAsync(RoutingKind.Route, "sums", route, null, "k", TestRun.Cancel);
        await Eventually.TrueAsync(
            _ => Task.FromResult(worker.Get<ProviderCatalog>().Definition("sums")?.Contract is not null),
            "the worker knows the route"
        );

        var job = await worker.RunJobAsync(
            Run(
                """{"steps":[{"name":"sum","type":"chat","model":"sums","messages":[{"role":"user","content":"Hi"}]},{"name":"say","type":"chat","after":["sum"],"messages":[{"role":"developer","content":"Hi"}]}],"output":"{{steps.sum.total}}"}""",
                "{}"
            )
        );

        Assert.True(job.Status == "completed", $"{job.Status}: {job.Error?.Message}");
        Assert.True(decimal.TryParse(job.Output!.Text, System.Globalization.CultureInfo.InvariantCulture, out _), job.Output.Text);
        Assert.Equal(JobSchema.Tools, await worker.ScalarAsync<short>("SELECT p.schema_version FROM job_payloads p WHERE p.title = 'say'"));
    }

    private async Task<CoreHost> StartAsync(TestDatabase database, object behaviour) =>
        await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, await simulator.ModelAsync(behaviour)));

    private static JobDraft Run(string definition, string input) => RunDraft.Of(definition, input);
}
