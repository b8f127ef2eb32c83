using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Money;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>Models that call and call, until the money is used or a limit of the product is reached.</summary>
public sealed class ToolMoneyTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Model = "obedient";
    private const int Orders = 14;

    // A thousand dollars for a million tokens, of which an answer has 110.
    private const decimal OfAnswer = 0.11m;
    private const decimal Ceiling = 1m;

    [Fact]
    public async Task A_63_a_loop_of_tools_ends_between_two_rounds_when_its_job_s_maximum_does_not_cover_the_next_call()
    {
        await using var model = await ObedientModel.StartAsync(usage: (100, 10));
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(model, receiver);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Read));

        var job = await worker.RunJobAsync(Draft(tool, Orders) with { MaxCostUsd = Ceiling });

        Assert.Equal(("failed", "max_cost_exceeded", false), (job.Status, job.Error!.Code, job.Error.Retryable));
        Assert.Equal(1, job.Attempt);
        var rounds = receiver.Posted.Count();
        Assert.InRange(rounds, 2, Orders - 1);
        // By the ledger: what was called was paid for, and nothing else was asked.
        Assert.Equal(rounds, model.Obeyed.Count);
        var calls = await SettledAsync(worker, job.Id);
        Assert.Equal(rounds * OfAnswer, calls.Sum(call => call.Cost ?? 0));
        Assert.InRange(calls.Sum(call => call.Cost ?? 0), 0, Ceiling);
        Assert.Equal(rounds, calls.Count(call => call.State == CallState.Settled));
        Assert.Equal(rounds * OfAnswer, job.Usage!.CostUsd);
    }

    [Fact]
    public async Task A_63_a_loop_of_tools_waits_between_two_rounds_for_its_key_s_budget_and_repeats_none_when_it_goes_on()
    {
        await using var model = await ObedientModel.StartAsync(usage: (100, 10));
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(model, receiver);
        var key = ApiKey.Create(live: false);
        await worker.Get<ApiKeyStore>().AddAsync(key, ApiKeyStore.DefaultTenant, "k", ["*"], TestRun.Cancel);
        var budget = await worker.BudgetAsync(Ceiling, BudgetScope.Key, key.Id);
        await worker.LookedAtAsync();
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Read));
        // One try: whoever waits for money has not used it up.
        var draft = Draft(tool, Orders) with
        {
            KeyId = key.Id,
            MaxAttempts = 1,
        };
        await worker.SubmitAsync(draft);

        await Eventually.TrueAsync(
            async _ =>
                await worker.StatusAsync(draft.Id) is var status && status.IsTerminal()
                || await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 5 AND waiting_reason LIKE 'budget:key:%'") == 1,
            "the job waits for its key's budget",
            TimeSpan.FromSeconds(30)
        );

        // Now and then it looks by itself whether there is money.
        var job = (
            await Eventually.GetAsync(
                token => worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, draft.Id, token),
                read => read!.Status != "processing" && read.Status != "queued",
                "it waits again"
            )
        )!;
        Assert.Equal(("retrying", "budget_spent", true), (job.Status, job.Error?.Code, job.Error?.Retryable));
        var rounds = receiver.Posted.Count();
        Assert.InRange(rounds, 2, Orders - 1);
        Assert.Equal(rounds * OfAnswer, (await SettledAsync(worker, draft.Id)).Sum(call => call.Cost ?? 0));
        await worker.UntilAsync(budget, rounds * OfAnswer, 0m);

        await new BudgetStore(worker.Database, worker.Database).ChangeAsync(
            await worker.ReadAsync(budget) with
            {
                LimitUsd = 100m,
            },
            "key",
            TestRun.Cancel
        );
        await Eventually.TrueAsync(
            async _ => (await worker.StatusAsync(draft.Id)).IsTerminal(),
            "the job goes on",
            TimeSpan.FromSeconds(30)
        );

        Assert.Equal(JobStatus.Completed, await worker.StatusAsync(draft.Id));
        Assert.Equal(Orders, receiver.Posted.Count());
        Assert.All(receiver.Sends, sends => Assert.Equal(1, sends));
        Assert.Equal((Orders + 1) * OfAnswer, (await SettledAsync(worker, draft.Id)).Sum(call => call.Cost ?? 0));
    }

    [Theory]
    [InlineData(100, 100)]
    // At once they are more than one turn may ask for; then, more than is read of any answer.
    [InlineData(101, 0)]
    [InlineData(500, 0, "provider_protocol_error")]
    public async Task A_63_a_fan_out_of_500_calls_stops_at_the_limit_of_calls(int atOnce, int made, string code = "tool_limit")
    {
        await using var model = await ObedientModel.StartAsync(atOnce, usage: (100, 10));
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(model, receiver);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent));

        var job = await worker.RunJobAsync(Draft(tool, 500) with { MaxAttempts = 1 });

        Assert.Equal(("failed", code), (job.Status, job.Error!.Code));
        Assert.Equal(made, receiver.Posted.Count());
        Assert.All(receiver.Sends, sends => Assert.Equal(1, sends));
        Assert.Equal(made, (await worker.ToolCallsAsync(job.Id)).Count(call => call.State == ToolCallState.Done));
        // Each turn that was answered is paid for, the one that went too far too, and no other was asked.
        var calls = await SettledAsync(worker, job.Id);
        Assert.Equal(made / atOnce + 1, calls.Count);
        Assert.True(code != "tool_limit" || calls.All(call => call.Cost == OfAnswer), string.Join(' ', calls));
    }

    private static JobDraft Draft(PinnedTool tool, int orders)
    {
        var text = string.Join(' ', Enumerable.Range(0, orders).Select(order => $$"""CALL {{tool.Name}} {"to":"a{{order}}","amount":1}"""));
        var said = JsonSerializer.Serialize(text);
        return ToolSetup.Draft(tool) with
        {
            Input = $$"""{"messages":[{"role":"user","content":{{said}}}],"tools":["{{tool.Name}}"],"max_output_tokens":10}""",
        };
    }

    private static async Task<IReadOnlyList<(CallState State, decimal? Cost)>> SettledAsync(CoreHost worker, Guid job)
    {
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state IN (0, 1)") == 0,
            "all calls are settled"
        );
        return await worker.CallsAsync(job);
    }

    private async Task<CoreHost> StartAsync(ObedientModel model, ToolReceiver receiver) =>
        await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            redis,
            [(model.Address, Model)],
            [
                receiver.Allowed,
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", Model),
                ("Money:Prices:0:Input", "1000"),
                ("Money:Prices:0:Output", "1000"),
            ]
        );
}
