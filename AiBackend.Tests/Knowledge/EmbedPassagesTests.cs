using AiBackend.Core.Knowledge;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace AiBackend.Tests.Knowledge;

/// <summary>How passages get their vectors, whoever makes these.</summary>
public sealed class EmbedPassagesTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private readonly FakeTime _clock = new();

    private KnowledgeVectors Store => new(Core.Database, Core.Rounds);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_text_that_the_model_never_takes_is_found_by_its_words_and_holds_up_no_other(bool isSaid)
    {
        await Core.AddPassageAsync("c", "a", "fine");
        await Core.AddPassageAsync("c", "b", "forbidden");
        await Core.AddPassageAsync("c", "d", "good");
        VectorsMade refusal = isSaid ? new VectorsMade.NotTaken() : new VectorsMade.Refused("provider", null) { MayBeOfOne = true };
        var maker = new Maker("m", texts => texts.Contains("forbidden") ? refusal : Made(texts));

        await RunAsync(maker);
        await RunAsync(maker);

        Assert.Equal("fine m m, forbidden  m, good m m", await VectorsAsync());
        // All three, and then each alone.
        Assert.Equal([3, 1, 1, 1], maker.Asked.Select(texts => texts.Count));
    }

    [Fact]
    public async Task Where_every_text_is_refused_alone_none_is_given_up_and_the_tenant_waits()
    {
        await Core.AddPassageAsync("c", "a", "fine");
        await Core.AddPassageAsync("c", "b", "good");
        var maker = new Maker("m", _ => new VectorsMade.Refused("provider", null) { MayBeOfOne = true });
        var embed = Embed(maker);

        Assert.False(await embed.RunAsync(TestRun.Cancel));
        Assert.False(await embed.RunAsync(TestRun.Cancel));

        Assert.Equal("fine  , good  ", await VectorsAsync());
        Assert.Equal([2, 1, 1], maker.Asked.Select(texts => texts.Count));
    }

    [Fact]
    public async Task Passages_of_a_version_that_is_none_any_more_are_not_paid_for()
    {
        await Core.AddPassageAsync("c", "a", "fine");
        await Core.ExecuteAsync("UPDATE knowledge_documents SET version = version + 1", Guid.Empty);
        var maker = new Maker("m", texts => Made(texts));

        Assert.False(await Embed(maker).RunAsync(TestRun.Cancel));

        Assert.Empty(await Store.FindTenantsAsync("m", [], 1, TestRun.Cancel));
        Assert.Empty(maker.Asked);
    }

    [Fact]
    public async Task Whoever_is_about_to_replace_a_passage_is_not_waited_for()
    {
        await Core.AddPassageAsync("c", "a", "fine");
        await Core.AddPassageAsync("c", "b", "good");
        var maker = new Maker("m", texts => Made(texts));
        await using (var connection = await Core.Database.OpenConnectionAsync(TestRun.Cancel))
        {
            await using var replacing = await connection.BeginTransactionAsync(TestRun.Cancel);
            await using var take = new NpgsqlCommand("SELECT FROM knowledge_chunks WHERE text = 'good' FOR UPDATE", connection, replacing);
            await take.ExecuteNonQueryAsync(TestRun.Cancel);

            await RunAsync(maker);
            Assert.Equal("fine m m, good  ", await VectorsAsync());
        }

        await RunAsync(maker);
        Assert.Equal("fine m m, good m m", await VectorsAsync());
    }

    [Fact]
    public async Task A_refused_tenant_is_asked_for_again_when_it_is_time_and_not_before()
    {
        await Core.AddPassageAsync("c", "a", "fine");
        var isRefused = true;
        var maker = new Maker("m", texts => isRefused ? new VectorsMade.Refused("limit", TimeSpan.FromMinutes(2)) : Made(texts));
        var embed = Embed(maker);

        Assert.False(await embed.RunAsync(TestRun.Cancel));
        isRefused = false;
        _clock.Advance(TimeSpan.FromSeconds(119));
        Assert.False(await embed.RunAsync(TestRun.Cancel));
        Assert.Single(maker.Asked);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.True(await embed.RunAsync(TestRun.Cancel));

        Assert.Equal("fine m m", await VectorsAsync());
        Assert.Equal([false, true], maker.Askers.Select(asker => asker.AsksAgain));
    }

    [Fact]
    public async Task Another_model_makes_all_of_them_anew_and_who_answers_in_its_place_is_not_asked_for_ever()
    {
        await Core.AddPassageAsync("c", "a", "fine");
        await RunAsync(new Maker("m", texts => Made(texts)));
        var other = new Maker("l", texts => Made(texts, "stands in"));

        await RunAsync(other);
        await RunAsync(other);

        Assert.Equal("fine stands in l", await VectorsAsync());
        Assert.Single(other.Asked);
    }

    [Fact]
    public async Task What_a_passage_was_is_not_kept_for_what_has_taken_its_place_meanwhile()
    {
        await Core.AddPassageAsync("c", "a", "fine");
        var maker = new Maker("m", texts => Made(texts));
        maker.Meanwhile = () => Core.ExecuteAsync("UPDATE knowledge_chunks SET version = version + 1, text = 'other'", Guid.Empty);

        await Embed(maker).RunAsync(TestRun.Cancel);

        Assert.Equal("other  ", await VectorsAsync());
    }

    private static VectorsMade.Made Made(IReadOnlyList<string> texts, string by = "m") => new(by, [.. texts.Select(_ => new[] { 1f, 0f })]);

    private EmbedPassages Embed(Maker maker) => new(maker, Store, _clock, NullLogger<EmbedPassages>.Instance);

    private Task<bool> RunAsync(Maker maker) => Embed(maker).RunAsync(TestRun.Cancel);

    /// <summary>Of each passage: its text, who made its vector, and who was to be asked.</summary>
    private Task<string> VectorsAsync() =>
        Core.ScalarAsync<string>(
            "SELECT string_agg(text || ' ' || coalesce(vector_model, '') || ' ' || coalesce(vector_for, ''), ', ' ORDER BY text) FROM knowledge_chunks WHERE (vector IS NULL) = (vector_model IS NULL) AND tenant_id = '"
                + ApiKeyStore.DefaultTenant
                + "'"
        );

    /// <summary>Beyond the seam: a model that does what the test says.</summary>
    private sealed class Maker(string model, Func<IReadOnlyList<string>, VectorsMade> answer) : ITextVectors
    {
        public List<IReadOnlyList<string>> Asked { get; } = [];

        public List<KnowledgeAsker> Askers { get; } = [];

        public Func<Task>? Meanwhile { get; set; }

        public string? Model => model;

        public async Task<VectorsMade> MakeAsync(KnowledgeAsker asker, IReadOnlyList<string> texts, CancellationToken cancellationToken)
        {
            Asked.Add(texts);
            Askers.Add(asker);
            await (Meanwhile?.Invoke() ?? Task.CompletedTask);
            return answer(texts);
        }
    }
}
