using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Knowledge;

/// <summary>Searches while the model that makes vectors does not answer.</summary>
public sealed class SilentModelTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private readonly FakeTime _clock = new();

    [Fact]
    public async Task A_model_that_falls_silent_is_waited_for_once_and_asked_again_when_it_is_time()
    {
        await Core.AddPassageAsync("c", "a", "lamps blink");
        await Core.ExecuteAsync("UPDATE knowledge_chunks SET vector = '{1,0}', vector_model = 'm', vector_for = 'm'", Guid.Empty);
        var model = new SilentModel();
        var options = Options.Create(new KnowledgeOptions());
        var search = new KnowledgeSearch(
            new KnowledgeStore(Core.Database, options),
            new KnowledgeVectors(Core.Database, Core.Rounds),
            model,
            options,
            _clock
        );

        async Task<(string Mode, string? Reason, int Found)> FindAsync()
        {
            var query = new KnowledgeQuery { Query = "Why do lamps blink?" };
            var found = await search.RunAsync(new KnowledgeAsker(ApiKeyStore.DefaultTenant), "c", query, TestRun.Cancel);
            return (found.Matching.Mode, found.Matching.Reason, found.Data.Count);
        }

        var waits = FindAsync();
        await _clock.WaitForTimerAsync(TimeSpan.FromSeconds(5), TestRun.Cancel);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal((KnowledgeModes.Text, KnowledgeReasons.Provider, 1), await waits);

        // The clock stands: who had to wait would wait for ever.
        Assert.Equal((KnowledgeModes.Text, KnowledgeReasons.Provider, 1), await FindAsync());
        Assert.Equal(1, model.Asked);

        model.IsSilent = false;
        _clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal((KnowledgeModes.Hybrid, (string?)null, 1), await FindAsync());
        Assert.Equal(2, model.Asked);
    }

    private sealed class SilentModel : ITextVectors
    {
        public bool IsSilent { get; set; } = true;

        public int Asked { get; private set; }

        public string? Model => "m";

        public async Task<VectorsMade> MakeAsync(KnowledgeAsker asker, IReadOnlyList<string> texts, CancellationToken cancellationToken)
        {
            Asked++;
            await Task.Delay(IsSilent ? Timeout.InfiniteTimeSpan : TimeSpan.Zero, TimeProvider.System, cancellationToken);
            return new VectorsMade.Made(
                "m",
                [
                    [1f, 0f],
                ]
            );
        }
    }
}
