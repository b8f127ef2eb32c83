using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Routing;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Contracts;

/// <summary>Jobs whose answers have to keep a contract, from model to output.</summary>
public sealed class ContractJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Invoice =
        """{"type":"object","properties":{"total":{"type":"number","minimum":1},"paid":{"type":"boolean"}},"required":["total","paid"]}""";

    [Fact]
    public async Task An_answer_that_keeps_its_contract_is_the_output_and_passes_at_once()
    {
        await using var worker = await StartAsync(new { json = "valid" });

        var job = await worker.RunJobAsync(Draft(Contract.OfSchema(Invoice)));

        Assert.Equal("completed", job.Status);
        Assert.Equal((true, true, 0), (job.Contract!.Valid, job.Contract.FirstPass, job.Contract.Repairs));
        Assert.Equal(1, job.Output!.Json!.Value.GetProperty("total").GetDecimal());
        Assert.Equal(job.Output.Text, await TextOfLogAsync(worker, job.Id));
    }

    [Theory]
    [InlineData("fenced", Repairs.Fence)]
    [InlineData("prose", Repairs.SurroundingText)]
    public async Task What_can_be_mended_is_mended_without_another_call(string json, string repair)
    {
        await using var worker = await StartAsync(new { json });

        var job = await worker.RunJobAsync(Draft(Contract.OfSchema(Invoice)));

        Assert.Equal(("completed", 1), (job.Status, (await CallsAsync(worker, job.Id)).Count));
        Assert.Equal((true, false, 1), (job.Contract!.Valid, job.Contract.FirstPass, job.Contract.Repairs));
        Assert.Equal(repair, Assert.Single(Assert.Single(await ChecksAsync(worker, job.Id)).Repaired));
        Assert.StartsWith("{", job.Output!.Text, StringComparison.Ordinal);
        // Who read along has the same text as who asks afterwards.
        Assert.Equal(job.Output.Text, await TextOfLogAsync(worker, job.Id));
    }

    [Fact]
    public async Task A_model_is_told_once_exactly_what_is_wrong_and_its_second_answer_counts()
    {
        await using var worker = await StartAsync(new { json = "wrong_once" });

        var job = await worker.RunJobAsync(Draft(Contract.OfSchema(Invoice)));

        Assert.Equal(("completed", true, false, 1), (job.Status, job.Contract!.Valid, job.Contract.FirstPass, job.Contract.Repairs));
        Assert.Equal([Verdicts.Schema, Verdicts.Valid], (await ChecksAsync(worker, job.Id)).Select(check => check.Verdict));
        Assert.Equal(job.Output!.Text, await TextOfLogAsync(worker, job.Id));
        var events = await worker.EventsAsync(job.Id);
        Assert.Contains(
            "contract_violation",
            Assert.Single(events, each => each.Kind == JobEventKind.Reset).Data,
            StringComparison.Ordinal
        );
        // Both calls are paid for, and both are in the trace of the one attempt.
        Assert.Equal(2, (await CallsAsync(worker, job.Id)).Count);
        Assert.Equal(1, job.Attempt);
    }

    [Fact]
    public async Task What_stays_wrong_fails_and_says_what_is_wrong()
    {
        await using var worker = await StartAsync(new { json = "wrong_type" });

        var job = await worker.RunJobAsync(Draft(Contract.OfSchema(Invoice)));

        Assert.Equal(("failed", "contract_violation", "contract_violation"), (job.Status, job.Error!.Code, job.Error.Class));
        Assert.Contains("the answer is array; it must be \"object\"", job.Error.Message, StringComparison.Ordinal);
        Assert.Equal((false, Verdicts.Schema), (job.Contract!.Valid, job.Contract.Verdict));
        Assert.Null(job.Output);
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM dead_letters WHERE class = 'contract_violation'"));
    }

    [Fact]
    public async Task The_routes_stronger_model_is_asked_when_the_first_one_does_not_mend_its_answer()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (weak, strong) = (await simulator.ModelAsync(new { json = "wrong_type" }), await simulator.ModelAsync(new { json = "valid" }));
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, weak), (simulator.Address, strong)],
            []
        );
        await worker
            .Get<RoutingStore>()
            .AddAsync(
                RoutingKind.Route,
                "invoices",
                $$"""{"targets":[{"provider":"p0","model":"{{weak}}"}],"stronger":"{{strong}}"}""",
                null,
                "k",
                TestRun.Cancel
            );
        await worker.Get<CatalogRefresh>().RefreshAsync(TestRun.Cancel);

        var job = await worker.RunJobAsync(Draft(Contract.OfSchema(Invoice, "fallback")) with { Model = "invoices" });

        Assert.Equal(("completed", strong), (job.Status, job.ServedBy!.Model));
        Assert.Equal([weak, weak, strong], (await ChecksAsync(worker, job.Id)).Select(check => check.Model));
    }

    [Fact]
    public async Task A_person_decides_about_what_stays_wrong_where_the_contract_says_so()
    {
        await using var worker = await StartAsync(new { json = "wrong_type" });
        var draft = Draft(Contract.OfSchema(Invoice, "review"));
        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "the job waits for a person");
        var wait = Assert.Single(await worker.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel));
        Assert.Contains("\"reason\":\"contract\"", wait.Question, StringComparison.Ordinal);

        await worker
            .Get<AnswerWait>()
            .ReviewAcceptsAsync(
                new(ApiKeyStore.DefaultTenant, draft.Id, wait.Attempt),
                """{"total":5,"paid":true}""",
                null,
                TestRun.Cancel
            );

        var job = (await worker.Get<JobReads>().FindAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel))!;
        Assert.Equal(("completed", 5), (job.Status, job.Output!.Json!.Value.GetProperty("total").GetInt32()));
    }

    [Theory]
    [InlineData("""{\"score\":0.9,\"reason\":\"good\"}""", "completed", Verdicts.Valid)]
    [InlineData("""{\"score\":0.2,\"reason\":\"dull\"}""", "failed", Verdicts.Rule)]
    [InlineData("no judgement", "failed", Verdicts.Rule)]
    public async Task A_judge_has_the_last_word_and_its_call_is_the_attempts(string judgement, string status, string verdict)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var writer = await simulator.ModelAsync(new { json = "valid" });
        var judge = await simulator.ModelAsync(new { text = judgement.Replace("\\\"", "\"", StringComparison.Ordinal) });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, writer), (simulator.Address, judge)],
            []
        );
        var contract = Contract.Of(
            $$"""{"schema":{{Invoice}},"rules":[{"rule":"judge","model":"{{judge}}","criteria":"Is it an invoice?"}],"on_violation":"fail"}"""
        );

        var job = await worker.RunJobAsync(Draft(contract) with { Model = writer });

        Assert.Equal((status, verdict), (job.Status, job.Contract!.Verdict));
        Assert.Equal([writer, judge], (await CallsAsync(worker, job.Id)).Select(call => call.Model));
        Assert.Equal(writer, job.ServedBy!.Model);
    }

    private async Task<CoreHost> StartAsync(object behaviour)
    {
        var database = await postgres.CreateDatabaseAsync();
        return await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, await simulator.ModelAsync(behaviour)));
    }

    private static JobDraft Draft(OutputContract contract) =>
        CoreHost.Draft() with
        {
            Terms = new JobTerms { Contract = contract }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };

    private static async Task<IReadOnlyList<ContractCheck>> ChecksAsync(CoreHost worker, Guid jobId) =>
        [.. (await TraceAsync(worker, jobId)).SelectMany(attempt => attempt.Checks)];

    private static async Task<IReadOnlyList<ApiContracts.Jobs.CallTrace>> CallsAsync(CoreHost worker, Guid jobId) =>
        [.. (await TraceAsync(worker, jobId)).SelectMany(attempt => attempt.Calls)];

    private static async Task<IReadOnlyList<ApiContracts.Jobs.AttemptTrace>> TraceAsync(CoreHost worker, Guid jobId) =>
        (await new JobTraces(worker.Database).FindAsync(ApiKeyStore.DefaultTenant, jobId, TestRun.Cancel))!.Attempts;

    /// <summary>What a reader of the log has in the end.</summary>
    private static async Task<string> TextOfLogAsync(CoreHost worker, Guid jobId)
    {
        var text = "";
        foreach (var each in await worker.EventsAsync(jobId))
        {
            text = each.Kind switch
            {
                JobEventKind.Delta => text + TextOf(each.Data),
                JobEventKind.Snapshot => TextOf(each.Data),
                JobEventKind.Reset => "",
                _ => text,
            };
        }

        return text;
    }

    private static string TextOf(string data)
    {
        using var payload = JsonDocument.Parse(data);
        return payload.RootElement.GetProperty("text").GetString()!;
    }
}
