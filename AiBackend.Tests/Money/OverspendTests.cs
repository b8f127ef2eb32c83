using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>I-6, I-7 where a provider bills more than was set aside for its call: over the Api, with a whole worker behind it.</summary>
public sealed class OverspendTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    /// <summary>Of which a call may write a hundred at most.</summary>
    private const int Billed = 50_000;

    private const decimal DollarsAMillion = 10;
    private const decimal Limit = 0.4m;
    private const string Input = """{"messages":[{"role":"user","content":"Hello"}],"max_output_tokens":100}""";

    [Fact]
    public async Task I_6_what_is_billed_beyond_a_reservation_is_booked_in_full_seen_in_every_budget_on_the_path_and_stops_the_next_call()
    {
        var redis = new RedisServer();
        await using var api = new ApiServer(postgres, redis);
        await api.InitializeAsync();
        var model = await simulator.ModelAsync(new { words = 5, billed_tokens = Billed });
        await using var worker = await StartAsync(api.Db, redis, model);
        using var provider = new Measurements(worker.Get<IMeterFactory>(), "AiBackend.Providers");
        using var jobs = new Measurements(worker.Get<IMeterFactory>(), JobTelemetryNames.Source);
        (string Scope, string? Subject, string Window)[] path =
        [
            ("global", null, "total"),
            ("tenant", null, "month"),
            ("key", ApiKey.TryParse(api.Key)!.Id, "day"),
            ("user", "u", "day"),
            ("feature", "f", "total"),
        ];
        foreach (var (scope, subject, window) in path)
        {
            var named = subject is null ? "" : $"\"subject\":\"{subject}\",";
            await AddBudgetAsync(api, $$"""{"scope":"{{scope}}",{{named}}"window":"{{window}}","limit_usd":{{Limit}}}""");
        }

        var done = await EndedAsync(api, (await api.SubmitAsync(Chat)).Id);

        var cost = ((done.Usage!.InputTokens * 1m) + (Billed * DollarsAMillion)) / 1_000_000m;
        Assert.Equal(("completed", (long)Billed, cost), (done.Status, done.Usage.OutputTokens, done.Usage.CostUsd));
        await Eventually.TrueAsync(
            async token => (await BudgetsAsync(api, token)).SequenceEqual(Enumerable.Repeat((cost, 0m), path.Length)),
            "every budget on the path has all of it, and nothing is reserved any more"
        );
        var entry = (await ReadAsync(api, $"/api/v1/jobs/{done.Id}/trace", TestRun.Cancel)).GetProperty("ledger")[0];
        Assert.InRange(entry.GetProperty("reserved_usd").GetDecimal(), 0.001m, 0.002m);
        Assert.Equal(("settled", cost), (entry.GetProperty("state").GetString(), entry.GetProperty("cost_usd").GetDecimal()));

        var next = (await api.SubmitAsync(Chat)).Id;
        await Eventually.TrueAsync(
            async _ =>
                await api.GetJobAsync(next) is { Status: "retrying", Queue.WaitingReason: { } reason }
                && reason.StartsWith("budget:", StringComparison.Ordinal),
            "the next one waits for money and says so"
        );
        var received = await simulator.CallsAsync(model, TestRun.Cancel);
        Assert.Equal([$"{done.Id}-1-0"], received.Select(call => call.GetProperty("request_id").GetString()));

        var (count, tags) = Assert.Single(provider.Of("aibackend.provider.overbilled"));
        Assert.Equal((1, model), (count, tags["gen_ai.request.model"]));
        await Eventually.TrueAsync(
            async token => (await AlertsAsync(api, token)).Count(text => text.Contains(": 0.50", StringComparison.Ordinal)) == path.Length,
            "an alert of each budget says how much was spent",
            TimeSpan.FromSeconds(30)
        );
        // Counted when it is stored.
        await Eventually.TrueAsync(
            () => jobs.Of("aibackend.alerts.raised").Any(each => Equals(each.Tags["aibackend.alert.rule"], Core.Alerts.AlertRules.Budget)),
            "it is counted, too"
        );
    }

    [Fact]
    public async Task What_a_provider_bills_beyond_what_calls_allow_is_set_aside_for_the_calls_after_them()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 5, billed_tokens = Billed });
        await using var worker = await StartAsync(database, redis, model, ("CircuitBreaker:MinimumCalls", "1000"));

        for (var job = 0; job < 9; job++)
        {
            Assert.Equal("completed", (await worker.RunJobAsync(CoreHost.Draft(input: Input))).Status);
        }

        // Eight teach what it does.
        var reserved = await Eventually.GetAsync(
            async _ =>
            {
                await worker.RunJobAsync(CoreHost.Draft(input: Input));
                return await worker.ScalarAsync<decimal>("SELECT max(reserved_usd) FROM provider_calls");
            },
            usd => usd > 0.1m,
            "more is reserved"
        );

        Assert.InRange(reserved, Billed * DollarsAMillion / 1_000_000m, Billed * DollarsAMillion * 1.1m / 1_000_000m);
        Assert.InRange(await worker.ScalarAsync<decimal>("SELECT min(reserved_usd) FROM provider_calls"), 0.001m, 0.002m);
    }

    [Fact]
    public async Task F_27_a_call_that_is_cut_at_its_cap_is_settled_at_what_was_written_and_nothing_stays_reserved()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { output_tokens = int.MaxValue, ignore_max_tokens = true });
        await using var worker = await StartAsync(database, redis, model, ("AIBACKEND_PROVIDERS:0:OUTPUT_TOKENS_PER_MINUTE", "1000000"));
        Budget[] budgets = [await worker.BudgetAsync(1m), await worker.BudgetAsync(1m, BudgetScope.Feature, "f")];
        await worker.LookedAtAsync();

        var job = await worker.RunJobAsync(CoreHost.Draft(input: Input) with { Feature = "f" });

        Assert.Equal("partially_completed", job.Status);
        // "Hello" are two tokens; of its answer it said nothing, and four characters are one.
        var written = job.Output!.Text.Length / 4;
        Assert.InRange(written, 165, 1_000);
        var cost = (2m + (written * DollarsAMillion)) / 1_000_000m;
        foreach (var budget in budgets)
        {
            await worker.UntilAsync(budget, cost, 0m);
        }

        Assert.Equal([(CallState.Settled, cost)], await worker.CallsAsync(job.Id));
        Assert.Equal(cost, await worker.ScalarAsync<decimal>("SELECT sum(cost_usd + unknown_usd) FROM usage_days"));
        await Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<int>("SELECT sum(n) FROM call_windows w CROSS JOIN LATERAL unnest(w.output_tokens) n") == written,
            "its provider's limit has it too"
        );
        await simulator.EndedCallAsync(model);
    }

    [Fact]
    public async Task F_27_what_calls_were_cut_at_is_set_aside_for_those_after_them_and_counts_when_they_are_cut_too()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { output_tokens = int.MaxValue, ignore_max_tokens = true });
        await using var worker = await StartAsync(database, redis, model, ("CircuitBreaker:MinimumCalls", "1000"));
        var budget = await worker.BudgetAsync(1m);
        await worker.LookedAtAsync();

        var written = 0m;
        for (var job = 0; job < 10; job++)
        {
            written += (await worker.RunJobAsync(CoreHost.Draft(input: Input))).Output!.Text.Length / 4 * DollarsAMillion / 1_000_000m;
        }

        // Eight teach what it does; where as much is reserved as was written, that counts.
        await worker.UntilAsync(() => worker.ScalarAsync<bool>("SELECT bool_and(state IN (2, 4)) FROM provider_calls"), "all are settled");
        var spent = await worker.ScalarAsync<decimal>("SELECT sum(cost_usd) FROM provider_calls");
        Assert.InRange(spent, written, written * 1.2m);
        await worker.UntilAsync(budget, spent, 0m);
        Assert.Equal(2, await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE reserved_usd > 0.0015"));
        Assert.Equal(8, await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state = 2 AND reserved_usd < 0.0011"));
    }

    private static string Chat => $$"""{"type":"chat","feature":"f","user":"u","input":{{Input}}}""";

    private Task<CoreHost> StartAsync(
        TestDatabase database,
        RedisServer redis,
        string model,
        params IEnumerable<(string Key, string Value)> more
    ) =>
        WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", model),
                ("Money:Prices:0:Input", "1"),
                ("Money:Prices:0:Output", DollarsAMillion.ToString(CultureInfo.InvariantCulture)),
                .. more,
            ]
        );

    private static async Task AddBudgetAsync(ApiServer api, string body)
    {
        using var content = new StringContent(body, null, "application/json");
        using var response = await api.Http.PostAsync("/api/v1/budgets", content, TestRun.Cancel);
        Assert.True(response.StatusCode == HttpStatusCode.Created, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private static async Task<Job> EndedAsync(ApiServer api, Guid job) =>
        await Eventually.GetAsync(
            _ => api.GetJobAsync(job),
            job => job.Status is "completed" or "failed",
            "it has ended",
            TimeSpan.FromSeconds(30)
        );

    private static async Task<IReadOnlyList<(decimal Spent, decimal Reserved)>> BudgetsAsync(ApiServer api, CancellationToken token) =>
        [
            .. (await ReadAsync(api, "/api/v1/budgets", token))
                .GetProperty("data")
                .EnumerateArray()
                .Select(budget => (budget.GetProperty("spent_usd").GetDecimal(), budget.GetProperty("reserved_usd").GetDecimal())),
        ];

    private static async Task<IReadOnlyList<string>> AlertsAsync(ApiServer api, CancellationToken token) =>
        [
            .. (await ReadAsync(api, "/api/v1/alerts", token))
                .GetProperty("data")
                .EnumerateArray()
                .Where(alert => alert.GetProperty("rule").GetString() == Core.Alerts.AlertRules.Budget)
                .Select(alert => alert.GetProperty("message").GetString()!),
        ];

    private static Task<JsonElement> ReadAsync(ApiServer api, string path, CancellationToken token) =>
        api.Http.GetFromJsonAsync<JsonElement>(path, token);
}
