using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Prompts;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Contracts;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using Npgsql;

namespace AiBackend.Tests.Prompts;

/// <summary>How versions of prompts fare.</summary>
public sealed class PromptStatisticsTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_job_shows_its_version_and_a_version_how_its_jobs_fared()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { json = "valid" });
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

        var good = await worker.RunJobAsync(Draft("s@1", """{"type":"object"}"""));
        var bad = await worker.RunJobAsync(
            Draft("s@2", """{"type":"object","properties":{"a":{"type":"string","pattern":"^zz$"}},"required":["a"]}""")
        );

        Assert.Equal(("completed", "s@1"), (good.Status, good.ServedBy!.Prompt));
        Assert.Equal(("failed", "s@2"), (bad.Status, bad.ServedBy!.Prompt));
        var reads = new PromptStatisticsReads(worker.Get<NpgsqlDataSource>(), TimeProvider.System);
        var found = await reads.AddToAsync(ApiKeyStore.DefaultTenant, [Version(3), Version(2), Version(1)], TestRun.Cancel);
        var (third, second, first) = (found[0].Statistics!, found[1].Statistics!, found[2].Statistics!);
        Assert.Equal((0, 0), (third.Jobs, third.Answers));
        Assert.Equal((1, 0, 1, 1, 0), (second.Jobs, second.Completed, second.Failed, second.Answers, second.FirstPass));
        Assert.Equal((1, 1, 0, 1, 1), (first.Jobs, first.Completed, first.Failed, first.Answers, first.FirstPass));
        Assert.Equal(good.Usage!.OutputTokens, first.OutputTokens);
        Assert.Equal((good.Usage.InputTokens * 1m + good.Usage.OutputTokens * 2m) / 1_000_000m, first.CostUsd);
        Assert.True(first.Run!.P50 > 0);
    }

    private static PromptVersion Version(int number) =>
        new()
        {
            Name = "s",
            Version = number,
            Template = new PromptTemplate(),
            CreatedAt = DateTimeOffset.UnixEpoch,
            CreatedBy = "test",
        };

    private static JobDraft Draft(string pin, string schema) =>
        CoreHost.Draft() with
        {
            Terms = new JobTerms { Prompt = pin, Contract = Contract.OfSchema(schema) }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };
}
