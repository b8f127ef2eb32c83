using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>Jobs on a whole worker: what they cost, and what they do when there is no money.</summary>
public sealed partial class PaidJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task I_7_the_provider_s_own_log_and_the_ledger_agree_call_by_call()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var answers = await simulator.ModelAsync(new { words = 5 });
        var fails = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        var cuts = await simulator.ModelAsync(new { words = 5, cut_after_tokens = 2 });
        var mute = await simulator.ModelAsync(new { words = 5, usage = "missing" });
        await using var worker = await StartAsync(database, [fails, answers, cuts, mute]);

        foreach (var model in (string[])["default", "default", "default", answers, cuts, mute])
        {
            await worker.RunJobAsync(CoreHost.Draft() with { Model = model, MaxAttempts = 1 });
        }

        await SettledAsync(worker);
        var received = new List<string>();
        foreach (var model in (string[])[answers, fails, cuts, mute])
        {
            received.AddRange(
                (await simulator.CallsAsync(model, TestRun.Cancel)).Select(call => call.GetProperty("request_id").GetString()!)
            );
        }

        Assert.Equal(received.Order(), await IdsAsync(worker, "state IN (2, 4)"));
        Assert.Equal(received.Count, received.Distinct().Count());
        Assert.Equal(
            1,
            await worker.ScalarAsync<int>(
                $"SELECT count(*) FROM provider_calls WHERE model = '{mute}' AND state = 4 AND cost_usd = reserved_usd"
            )
        );
        Assert.Equal(
            1,
            await worker.ScalarAsync<int>($"SELECT count(*) FROM provider_calls WHERE model = '{cuts}' AND state = 4 AND cost_usd > 0")
        );
        // A refusal is not billed.
        Assert.True(
            await worker.ScalarAsync<bool>($"SELECT bool_and(state = 2 AND cost_usd = 0) FROM provider_calls WHERE model = '{fails}'")
        );
        Assert.True(
            await worker.ScalarAsync<bool>(
                "SELECT (SELECT (sum(cost_usd + unknown_usd), sum(calls)::bigint) FROM usage_days) = (SELECT (sum(cost_usd), count(*)) FROM provider_calls)"
            )
        );
    }

    [Fact]
    public async Task A_job_tells_what_it_cost_and_its_attempt_too()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 5 });
        await using var worker = await StartAsync(database, [model]);

        var job = await worker.RunJobAsync(CoreHost.Draft());

        var usage = job.Usage!;
        Assert.Equal((usage.InputTokens * 1m + usage.OutputTokens * 2m) / 1_000_000m, usage.CostUsd);
        await SettledAsync(worker);
        Assert.Equal(usage.CostUsd, (await worker.CallsAsync(job.Id)).Sum(call => call.Cost));
    }

    [Fact]
    public async Task A_job_without_money_waits_with_its_reason_and_goes_on_when_the_limit_is_raised()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, [model]);
        var budget = await worker.BudgetAsync(0.0001m, BudgetScope.Feature, "f");
        await worker.LookedAtAsync();
        var ids = new List<Guid>();
        for (var i = 0; i < 5; i++)
        {
            ids.Add(await worker.SubmitAsync(CoreHost.Draft() with { Feature = "f" }));
        }

        await Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<int>(
                    "SELECT count(*) FROM jobs WHERE status = 5 AND waiting_reason = 'budget:too_large:feature:f:day'"
                ) == 5,
            "all wait"
        );
        var waiting = (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, ids[0], TestRun.Cancel))!;
        Assert.Equal(("retrying", "budget:too_large:feature:f:day"), (waiting.Status, waiting.Queue!.WaitingReason));
        Assert.Equal(("budget_spent", true), (waiting.Error!.Code, waiting.Error.Retryable));
        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));

        await new BudgetStore(worker.Database, worker.Database).ChangeAsync(budget with { LimitUsd = 1m }, "key", TestRun.Cancel);

        await DoneAsync(worker, 5);
        Assert.Equal(1, await worker.ScalarAsync<int>("SELECT max(attempt - excused) FROM jobs"));
        Assert.Equal(2, await worker.ScalarAsync<int>("SELECT max(attempt) FROM jobs"));
    }

    [Fact]
    public async Task A_job_that_a_higher_limit_does_not_cover_either_asks_once_for_each_raise()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, [model]);
        var budget = await worker.BudgetAsync(0.0001m);
        await worker.LookedAtAsync();
        await worker.SubmitAsync();
        await AttemptsAsync(1);

        await new BudgetStore(worker.Database, worker.Database).ChangeAsync(budget with { LimitUsd = 0.0002m }, "key", TestRun.Cancel);
        await AttemptsAsync(2);
        Assert.Equal(0, await worker.Get<ReleaseBudgetedJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal(0, await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE due_at < now() + interval '50 minutes'"));
        await new BudgetStore(worker.Database, worker.Database).EndAsync(ApiKeyStore.DefaultTenant, budget.Id, "key", TestRun.Cancel);
        await DoneAsync(worker, 1);
        Assert.Equal(3, await worker.ScalarAsync<int>("SELECT attempt FROM jobs"));

        Task AttemptsAsync(int attempts) =>
            Eventually.TrueAsync(
                async _ =>
                    await worker.ScalarAsync<int>(
                        $"SELECT count(*) FROM jobs WHERE status = 5 AND attempt = {attempts} AND waiting_reason = 'budget:too_large:tenant:day'"
                    ) == 1,
                "it waits"
            );
    }

    [Fact]
    public async Task Jobs_that_waited_for_a_budget_that_was_replaced_wait_for_the_new_one_once()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, [model]);
        var old = await worker.BudgetAsync(1m);
        await worker.ExecuteAsync("UPDATE budgets SET settled_usd = 1", Guid.Empty);
        for (var i = 0; i < 5; i++)
        {
            await worker.SubmitAsync();
        }

        await Eventually.TrueAsync(async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 5") == 5, "all wait");
        // A new one cannot be spent before it is there, and the leader must not come in between.
        await worker.ExecuteAsync(
            "WITH old AS (UPDATE budgets SET deleted_at = now() - interval '20 seconds' RETURNING *) "
                + "INSERT INTO budgets (id, tenant_id, scope, subject, path, period, limit_usd, hard, thresholds, window_at, settled_usd, set_by) "
                + "SELECT gen_random_uuid(), tenant_id, scope, subject, path || '.', period, limit_usd, hard, thresholds, window_at, 1, set_by FROM old; "
                + "UPDATE budgets SET path = replace(path, '.', '')",
            Guid.Empty
        );

        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>($"SELECT count(*) FROM budgets WHERE id = '{old.Id}'") == 0,
            "the old one is removed while jobs wait"
        );
        // Removed in the transaction that would have let them go.
        Assert.Equal(5, await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 5 AND due_at > now() AND attempt = 1"));
        Assert.Equal(0, await worker.Get<ReleaseBudgetedJobs>().RunAsync(TestRun.Cancel));
        await worker.ExecuteAsync("UPDATE budgets SET settled_usd = 0", Guid.Empty);
        await DoneAsync(worker, 5);
    }

    [Theory]
    [InlineData("UPDATE budgets SET window_at = window_at - interval '1 day', settled_usd = 0")]
    [InlineData("UPDATE budgets SET deleted_at = now()")]
    public async Task Waiting_jobs_go_on_when_the_window_turns_or_the_budget_is_gone(string change)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, [model]);
        var budget = await worker.BudgetAsync(1m);
        await worker.ExecuteAsync("UPDATE budgets SET settled_usd = 1", Guid.Empty);
        for (var i = 0; i < 5; i++)
        {
            await worker.SubmitAsync();
        }

        await Eventually.TrueAsync(async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 5") == 5, "all wait");
        await worker.ExecuteAsync(change, Guid.Empty);

        await DoneAsync(worker, 5);
    }

    [Fact]
    public async Task A_job_whose_own_maximum_does_not_cover_its_call_fails_and_says_so()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, [model]);

        var job = await worker.RunJobAsync(CoreHost.Draft() with { MaxCostUsd = 0.000001m });

        Assert.Equal((JobStatuses.Failed, "max_cost_exceeded", false), (job.Status, job.Error!.Code, job.Error.Retryable));
        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));
        Assert.Equal(0, await worker.ScalarAsync<int>("SELECT count(*) FROM dead_letters"));
    }

    /// <summary>A dollar for a million tokens read, two for a million written.</summary>
    private Task<CoreHost> StartAsync(TestDatabase database, string[] models) =>
        WorkerUnderTest.StartAsync(
            database,
            redis,
            [.. models.Select(model => (simulator.Address, model))],
            models.SelectMany(
                (model, i) =>
                    ((string, string)[])
                        [
                            ($"Money:Prices:{i}:Provider", $"p{i}"),
                            ($"Money:Prices:{i}:Model", model),
                            ($"Money:Prices:{i}:Input", "1"),
                            ($"Money:Prices:{i}:Output", "2"),
                        ]
            )
        );

    private static Task DoneAsync(CoreHost worker, int jobs) =>
        Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 6") == jobs,
            "all are done",
            TimeSpan.FromSeconds(60)
        );

    private static Task SettledAsync(CoreHost worker) =>
        Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state IN (0, 1)") == 0,
            "all calls are settled"
        );

    private static async Task<IReadOnlyList<(CallState State, decimal? Cost)>> SettledAsync(CoreHost worker, Guid jobId)
    {
        await SettledAsync(worker);
        return await worker.CallsAsync(jobId);
    }

    private static async Task<IEnumerable<string>> IdsAsync(CoreHost worker, string which)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = worker.Database.CreateCommand(
            $"SELECT job_id::text || '-' || lease_epoch || '-' || call FROM provider_calls WHERE {which}"
        );
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync(TestRun.Cancel);
        var ids = new List<string>();
        while (await reader.ReadAsync(TestRun.Cancel))
        {
            ids.Add(Text(reader));
        }

        return ids.Order();
    }

    private static string Text(Npgsql.NpgsqlDataReader row) => row.GetString(0);
}
