using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Money;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>What holds when a call is made is the budget of that moment, and not of the moment when its job began.</summary>
public sealed class LoweredBudgetTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_78_a_budget_that_is_lowered_in_the_middle_of_a_run_holds_for_its_next_call()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", model),
                ("Money:Prices:0:Input", "1"),
                ("Money:Prices:0:Output", "2"),
            ]
        );
        var budgets = new BudgetStore(worker.Database, worker.Database);
        var budget = await worker.BudgetAsync(100m);
        await worker.LookedAtAsync();
        var draft = ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Client(3600)));
        await worker.SubmitAsync(draft);
        await StatusAsync(JobStatus.WaitingForTool);
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));

        await budgets.ChangeAsync(budget with { LimitUsd = 0.0001m }, "key", TestRun.Cancel);
        var call = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        var answer = new AnswerToolCall(worker.Database, worker.Get<AnswerWait>());
        Assert.IsType<ToolAnswer.Taken>(await answer.RunAsync(draft.TenantId, draft.Id, call.CallId, "done", false, TestRun.Cancel));

        await StatusAsync(JobStatus.Retrying);
        Assert.Equal(
            "budget:too_large:tenant:day",
            await worker.ScalarAsync<string>("SELECT waiting_reason FROM jobs WHERE id = @id", draft.Id)
        );
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));
        await budgets.ChangeAsync((await worker.ReadAsync(budget)) with { LimitUsd = 100m }, "key", TestRun.Cancel);
        await StatusAsync(JobStatus.Completed);
        Assert.Equal(2, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);

        Task StatusAsync(JobStatus status) =>
            Eventually.TrueAsync(async _ => await worker.StatusAsync(draft.Id) == status, $"the job is {status}", TimeSpan.FromSeconds(30));
    }
}
