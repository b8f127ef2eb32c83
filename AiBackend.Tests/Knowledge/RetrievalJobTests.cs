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

    [Fact]
    public async Task A_job_is_given_what_means_the_same_and_its_log_says_when_words_alone_could_be_compared()
    {
        const string Embedding = "sim-embed-retrieval";
        await using var database = await postgres.CreateDatabaseAsync();
        await simulator.BehaveAsync(Embedding, new { });
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model), (simulator.Address, Embedding)],
            [("Knowledge:EmbeddingModel", Embedding)]
        );
        await worker.AddPassageAsync("manuals", "you.md", "who are you and what is it about");
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM knowledge_chunks WHERE vector IS NOT NULL") == 1,
            "the leader has it turned into a vector"
        );

        var with = Draft("manuals", "who are you and what is it");
        var helped = await worker.RunJobAsync(with);
        await simulator.BehaveAsync(Embedding, new { error_rate = 1, error_status = 500 });
        var without = Draft("manuals", "who are you and what is it");
        var alone = await worker.RunJobAsync(without);

        Assert.Equal(("completed", "completed"), (helped.Status, alone.Status));
        Assert.Contains("1 passages of you.md.", await NoticeAsync(worker, with.Id), StringComparison.Ordinal);
        Assert.Contains(
            "asked without. Words alone were compared (provider).",
            await NoticeAsync(worker, without.Id),
            StringComparison.Ordinal
        );
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
