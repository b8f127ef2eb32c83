using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>What the steps of a run may use together, on workers with a provider.</summary>
public sealed class WorkflowLimitTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Items = 40;
    private const int Fitting = 12;

    // A call of two tokens that may write fifty. Each writes forty: what is counted of the input afterwards may be a little more than was set aside for it.
    private const int MostOutput = 50;
    private const int Words = 40;
    private const int ReservedTokens = 2 + MostOutput;
    private const decimal ReservedUsd = (2 + 2 * MostOutput) / 1_000_000m;

    private static readonly string Hi =
        $$"""{"type":"chat","max_output_tokens":{{MostOutput}},"messages":[{"role":"user","content":"Hi"}]""";

    private static readonly string Wide = $$$"""
        {"steps":[{"name":"each","type":"map","over":"{{input.documents}}","concurrency":{{{Items}}},"on_failure":"skip",
                   "step":{"type":"chat","max_output_tokens":{{{MostOutput}}},"messages":[{"role":"user","content":"Read {{item}}"}]} }]}
        """;

    [Fact]
    public async Task What_a_run_may_cost_stops_it_and_it_names_what_is_left_undone()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = Words });
        await using var worker = await StartAsync(database, model);
        // Covers a call and not another one.
        var limits = new RunLimits { MaxCostUsd = ReservedUsd * 1.5m };
        var two = Hi + ""","name":"two","after":["one"]""";

        var stopped = await worker.RunJobAsync(
            RunDraft.Of($$"""{"steps":[{{Hi}},"name":"one"},{{two}}},{{Hi}},"name":"three","after":["two"]}]}""", "{}", limits)
        );
        var partial = await worker.RunJobAsync(
            RunDraft.Of(
                $$"""{"steps":[{{Hi}},"name":"one"},{{two}},"on_failure":"skip"},{"name":"out","type":"transform","value":"rest","after":["two"]}]}""",
                "{}",
                limits
            )
        );

        Assert.Equal(("failed", "step_failed"), (stopped.Status, stopped.Error!.Code));
        Assert.Contains("Step two failed: The limits.max_cost_usd of", stopped.Error.Message, StringComparison.Ordinal);
        Assert.Equal(("partially_completed", "rest"), (partial.Status, partial.Output!.Text));
        Assert.StartsWith("two: The limits.max_cost_usd of", Assert.Single(partial.Output.Missing), StringComparison.Ordinal);
        // The third step of the first run never began. Each run has made one call, within its own limit.
        Assert.Equal(
            [("one", RunStepStatuses.Succeeded), ("two", RunStepStatuses.Failed)],
            (await StepsAsync(worker, stopped.Id)).Select(step => (step.Name, step.Status)).Order()
        );
        Assert.Equal(2, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        foreach (var run in (Guid[])[stopped.Id, partial.Id])
        {
            await SettledAsync(worker, run);
            Assert.InRange(await UsedAsync(worker, run, isMoney: true), ReservedUsd / 2, limits.MaxCostUsd!.Value);
        }
    }

    [Theory]
    [InlineData("max_cost_usd")]
    [InlineData("max_tokens")]
    public async Task I_6_a_wide_map_on_two_workers_never_uses_more_than_its_run_may(string limit)
    {
        var isMoney = limit == "max_cost_usd";
        var limits = isMoney
            ? new RunLimits { MaxCostUsd = Fitting * ReservedUsd }
            : new RunLimits { MaxTokens = Fitting * ReservedTokens };
        await using var database = await postgres.CreateDatabaseAsync();
        // No worker has room for what fits, and none is done before the other has begun.
        var model = await simulator.ModelAsync(new { words = Words, ttft_ms = 3000 });
        await using var one = await StartAsync(database, model);
        await using var other = await StartAsync(database, model);
        await Eventually.TrueAsync(async _ => await one.ScalarAsync<int>("SELECT count(*) FROM workers") == 2, "both workers are there");
        var run = RunDraft.Of(Wide, JsonSerializer.Serialize(new { documents = Enumerable.Range(0, Items) }), limits);
        await one.SubmitAsync(run);

        var most = 0m;
        await Eventually.TrueAsync(
            async _ =>
            {
                most = Math.Max(most, await UsedAsync(one, run.Id, isMoney));
                return await one.ScalarAsync<bool>("SELECT status >= 6 FROM jobs WHERE id = @id", run.Id);
            },
            "the run has ended",
            TimeSpan.FromSeconds(60)
        );
        await SettledAsync(one, run.Id);

        var may = isMoney ? limits.MaxCostUsd!.Value : limits.MaxTokens!.Value;
        Assert.InRange(Math.Max(most, await UsedAsync(one, run.Id, isMoney)), may / 2, may);
        var made = (await simulator.CallsAsync(model, TestRun.Cancel)).Count;
        // What they did not use of what was set aside covers one or two more.
        Assert.InRange(made, Fitting, Fitting + 2);
        Assert.Equal(made, await one.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE run_id = @id AND state = 2", run.Id));
        Assert.Equal(
            2,
            await one.ScalarAsync<int>(
                "SELECT count(DISTINCT a.worker_id) FROM job_attempts a JOIN provider_calls c ON c.job_id = a.job_id WHERE c.run_id = @id",
                run.Id
            )
        );
        var job = (await one.Reads.FindAsync(run.Id, TestRun.Cancel))!;
        Assert.Equal("partially_completed", job.Status);
        var missing = Assert.Single(job.Output!.Missing);
        Assert.StartsWith("each: ", missing, StringComparison.Ordinal);
        Assert.Contains($"The limits.{limit} of the workflow's run", missing, StringComparison.Ordinal);
        var items = (await StepsAsync(one, run.Id)).Where(step => step.Index is not null).ToLookup(step => step.Status);
        Assert.Equal((made, Items - made), (items[RunStepStatuses.Succeeded].Count(), items[RunStepStatuses.Failed].Count()));
        Assert.All(
            items[RunStepStatuses.Failed],
            step => Assert.StartsWith($"The limits.{limit} of", step.Error, StringComparison.Ordinal)
        );
    }

    /// <summary>What is used and set aside for a run, as the ledger has it.</summary>
    private static Task<decimal> UsedAsync(CoreHost worker, Guid run, bool isMoney) =>
        worker.ScalarAsync<decimal>(
            isMoney
                ? "SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) FROM provider_calls WHERE run_id = @id"
                : "SELECT coalesce(sum(coalesce(input_tokens + output_tokens, reserved_tokens)), 0) FROM provider_calls WHERE run_id = @id AND state <> 3",
            run
        );

    private static Task SettledAsync(CoreHost worker, Guid run) =>
        Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE run_id = @id AND state IN (0, 1)", run) == 0,
            "all calls are settled"
        );

    private static async Task<IReadOnlyList<RunStepState>> StepsAsync(CoreHost worker, Guid run) =>
        await worker.Get<RunStepStore>().ShowAsync(ApiKeyStore.DefaultTenant, run, null, 100, TestRun.Cancel);

    /// <summary>A dollar for a million tokens read, two for a million written.</summary>
    private Task<CoreHost> StartAsync(TestDatabase database, string model) =>
        WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [
                ("Worker:MaxConcurrentJobs", "8"),
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", model),
                ("Money:Prices:0:Input", "1"),
                ("Money:Prices:0:Output", "2"),
            ]
        );
}
