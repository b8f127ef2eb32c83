using System.Collections.Concurrent;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Jobs;
using AiBackend.Core.Knowledge;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Knowledge;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Steps that look for passages while the model that makes vectors does not answer.</summary>
public sealed class InlineSearchTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Find = """
        {"steps":[{"name":"find","type":"tool","tool":"search_knowledge","inline":INLINE,"arguments":{"collection":"manuals","query":"pump"}}],
         "output":"{{steps.find}}"}
        """;

    [Theory]
    // In the look, which has 8 s here, and in a job, which has the tool's 5: two fifths of it are for the vector.
    [InlineData(true, 3.2, 1)]
    [InlineData(false, 2.0, 2)]
    public async Task What_words_find_is_there_while_the_model_hangs_and_only_the_first_step_waits_for_it(
        bool inline,
        double patience,
        int jobs
    )
    {
        var vectors = new HangingVectors();
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            // Which nobody asks: no step has a model.
            [(new Uri("http://127.0.0.1:9"), "m")],
            [("Worker:InlineSeconds", "8")],
            builder => builder.Services.AddSingleton<ITextVectors>(vectors)
        );
        await worker.AddPassageAsync("manuals", "handbook", "The pump is red");
        await worker.ExecuteAsync("UPDATE knowledge_chunks SET vector = '{1,0}', vector_model = 'm', vector_for = 'm'", Guid.Empty);
        var definition = Find.Replace("INLINE", inline ? "true" : "false", StringComparison.Ordinal);

        for (var runs = 1; runs <= 2; runs++)
        {
            var run = await worker.RunJobAsync(RunDraft.Of(definition, "{}", null, new PinnedTool("search_knowledge", 0)));

            Assert.True(run.Status == "completed", run.Error?.Message);
            Assert.Contains("The pump is red", run.Output!.Text, StringComparison.Ordinal);
            Assert.Equal(runs * jobs, await worker.ScalarAsync<int>("SELECT count(*) FROM jobs"));
        }

        Assert.Equal(TimeSpan.FromSeconds(patience), Assert.Single(vectors.Askers).Patience);
    }

    private sealed class HangingVectors : ITextVectors
    {
        public ConcurrentQueue<KnowledgeAsker> Askers { get; } = [];

        public string? Model => "m";

        public async Task<VectorsMade> MakeAsync(KnowledgeAsker asker, IReadOnlyList<string> texts, CancellationToken cancellationToken)
        {
            if (asker.Waits)
            {
                Askers.Enqueue(asker);
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }

            // The leader asks, too, for what has no vector yet.
            return new VectorsMade.Refused(KnowledgeReasons.Provider, TimeSpan.FromHours(1));
        }
    }
}
