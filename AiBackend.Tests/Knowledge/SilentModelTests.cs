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
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(800);
    private static readonly (string, string?, int) ByWords = (KnowledgeModes.Text, KnowledgeReasons.Provider, 1);

    private readonly FakeTime _clock = new();
    private readonly SilentModel _model = new();

    [Fact]
    public async Task A_model_that_falls_silent_is_waited_for_once_and_asked_again_when_it_is_time()
    {
        var search = await SearchAsync();

        var waits = FindAsync(search);
        await _clock.WaitForTimerAsync(Usual, TestRun.Cancel);
        _clock.Advance(Usual);
        Assert.Equal(ByWords, await waits);

        // The clock stands: who had to wait would wait for ever.
        Assert.Equal(ByWords, await FindAsync(search));
        Assert.Equal(1, _model.Asked);

        _model.IsSilent = false;
        _clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal((KnowledgeModes.Hybrid, (string?)null, 1), await FindAsync(search));
        Assert.Equal(2, _model.Asked);
    }

    [Fact]
    public async Task Who_has_little_time_waits_no_longer_and_says_nothing_of_who_has_more()
    {
        var search = await SearchAsync();

        var waits = FindAsync(search, Short);
        await _clock.WaitForTimerAsync(Short, TestRun.Cancel);
        _clock.Advance(Short);
        Assert.Equal(ByWords, await waits);
        Assert.Equal(ByWords, await FindAsync(search, Short));
        Assert.Equal(1, _model.Asked);

        var waitsLonger = FindAsync(search);
        await _clock.WaitForTimerAsync(Usual, TestRun.Cancel);
        _clock.Advance(Usual);
        Assert.Equal(ByWords, await waitsLonger);
        // Now it is known to be silent for both.
        Assert.Equal((ByWords, ByWords), (await FindAsync(search, Short), await FindAsync(search)));
        Assert.Equal(2, _model.Asked);
    }

    [Fact]
    public async Task A_caller_whose_time_is_up_first_has_waited_in_vain_for_those_with_as_little()
    {
        var search = await SearchAsync();
        using var timeUp = new CancellationTokenSource();

        var waits = FindAsync(search, stop: timeUp.Token);
        await _clock.WaitForTimerAsync(Usual, TestRun.Cancel);
        _clock.Advance(Short);
        await timeUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);

        Assert.Equal(ByWords, await FindAsync(search, Short));
        Assert.Equal(1, _model.Asked);
        _model.IsSilent = false;
        Assert.Equal((KnowledgeModes.Hybrid, (string?)null, 1), await FindAsync(search));
        // It answers: who has little time asks it again.
        Assert.Equal((KnowledgeModes.Hybrid, (string?)null, 1), await FindAsync(search, Short));
    }

    private async Task<KnowledgeSearch> SearchAsync()
    {
        await Core.AddPassageAsync("c", "a", "lamps blink");
        await Core.ExecuteAsync("UPDATE knowledge_chunks SET vector = '{1,0}', vector_model = 'm', vector_for = 'm'", Guid.Empty);
        var options = Options.Create(new KnowledgeOptions());
        return new KnowledgeSearch(
            new KnowledgeStore(Core.Database, options),
            new KnowledgeVectors(Core.Database, Core.Rounds),
            _model,
            options,
            _clock
        );
    }

    private static async Task<(string Mode, string? Reason, int Found)> FindAsync(
        KnowledgeSearch search,
        TimeSpan? patience = null,
        CancellationToken? stop = null
    )
    {
        var found = await search.RunAsync(
            new KnowledgeAsker(ApiKeyStore.DefaultTenant) { Patience = patience },
            "c",
            new KnowledgeQuery { Query = "Why do lamps blink?" },
            stop ?? TestRun.Cancel
        );
        return (found.Matching.Mode, found.Matching.Reason, found.Data.Count);
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
