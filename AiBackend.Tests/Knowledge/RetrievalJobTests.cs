using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Jobs;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Knowledge;

/// <summary>Jobs whose models are given what was found.</summary>
public sealed class RetrievalJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_model_is_given_the_passages_and_the_log_names_their_sources()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        var document = new KnowledgeRequest { Source = "lamps.md", Text = "The blue lamp blinks when its filter is full." };
        await worker
            .Get<KnowledgeStore>()
            .PutAsync(ApiKeyStore.DefaultTenant, "manuals", document, TimeProvider.System.GetUtcNow(), TestRun.Cancel);

        var with = Draft("manuals", "Why does the lamp blink?");
        var without = Draft("manuals", "And elephants?");
        var plain = CoreHost.Draft(input: """{"messages":[{"role":"user","content":"Why does the lamp blink?"}]}""");
        var (helped, alone, usual) = (await worker.RunJobAsync(with), await worker.RunJobAsync(without), await worker.RunJobAsync(plain));

        Assert.All([helped, alone, usual], job => Assert.Equal("completed", job.Status));
        // By the provider's own count it read more than the question.
        Assert.True(helped.Usage!.InputTokens > usual.Usage!.InputTokens + 50, $"{helped.Usage} {usual.Usage}");
        Assert.Contains("1 passages of lamps.md", await NoticeAsync(worker, with.Id), StringComparison.Ordinal);
        Assert.Contains("Nothing was found in manuals", await NoticeAsync(worker, without.Id), StringComparison.Ordinal);
    }

    private static async Task<string> NoticeAsync(CoreHost worker, Guid jobId) =>
        Assert.Single(await worker.EventsAsync(jobId), each => each.Kind == JobEventKind.Notice).Data;

    private static JobDraft Draft(string collection, string question) =>
        CoreHost.Draft(input: $$"""{"messages":[{"role":"user","content":"{{question}}"}]}""") with
        {
            Terms = new JobTerms { Retrieve = new KnowledgeQuery { Collection = collection } }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };
}
