using System.Text.Json;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Knowledge;

/// <summary>Passages that are found by what they mean, beside those that are found by their words.</summary>
public sealed class VectorSearchTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // The full text search knows none of these words: they are in every text.
    private const string Question = """{"query":"who are you and what is it"}""";

    // As two puts at once may leave them.
    private const string OrphansSql = """
        INSERT INTO knowledge_chunks (document_id, version, n, tenant_id, collection, readers, updated_at, text, terms, vector, vector_model, vector_for)
        SELECT document_id, version + 1, n, tenant_id, collection, readers, updated_at, text, terms, vector, vector_model, vector_for FROM knowledge_chunks
        """;

    [Fact]
    public async Task What_no_word_tells_is_found_by_its_meaning_and_the_answer_says_how()
    {
        await using var api = await VectorApi.StartAsync(postgres, redis, simulator);
        await api.PutAsync("""{"source":"a","text":"who are you and what is it about"}""");
        await api.PutAsync("""{"source":"b","text":"lamps blink when their filter fills"}""");

        var before = await api.SearchAsync(Question);
        await api.EmbedAsync();
        await api.Leader.ExecuteAsync(OrphansSql, Guid.Empty);
        var after = await api.SearchAsync(Question);
        var both = await api.SearchAsync("""{"query":"lamps blink when","limit":1}""");

        Assert.Empty(before.Data);
        Assert.Equal(new(KnowledgeModes.Text, KnowledgeReasons.NoVectors, null, 0), before.Matching);
        Assert.Equal("a", Assert.Single(after.Data).Source);
        Assert.Equal(new(KnowledgeModes.Hybrid, null, api.Model, 2), after.Matching);
        // First in both lists.
        Assert.Equal(("b", 2.0 / 61), (Assert.Single(both.Data).Source, both.Data[0].Score));
        Assert.Equal(3, (await api.CallsAsync()).Count);
    }

    [Fact]
    public async Task A_5_A_62_nobody_finds_by_meaning_what_another_tenant_or_other_readers_have_or_what_is_too_old()
    {
        await using var api = await VectorApi.StartAsync(postgres, redis, simulator);
        var stranger = api.Client(await api.AddTenantAsync());
        await api.PutAsync("""{"source":"ours","text":"who are you and what is it about"}""");
        await api.PutAsync("""{"source":"pay","text":"who are you and what is it for","readers":["hr"]}""");
        await api.PutAsync("""{"source":"old","text":"who are you and what is it then","updated_at":"2020-01-01T00:00:00Z"}""");
        await api.PutAsync("""{"source":"theirs","text":"who are you and what is it to us"}""", stranger);
        await api.EmbedAsync();

        async Task<string> FindAsync(HttpClient http, string more)
        {
            var found = await api.SearchAsync(Question.Replace("}", more + "}", StringComparison.Ordinal), http);
            Assert.Equal((KnowledgeModes.Hybrid, found.Data.Count), (found.Matching.Mode, found.Matching.Compared));
            return string.Join(' ', found.Data.Select(passage => passage.Source).Order(StringComparer.Ordinal));
        }

        Assert.Equal("theirs", await FindAsync(stranger, ",\"readers\":[\"hr\"]"));
        Assert.Equal("old ours", await FindAsync(api.Http, ""));
        Assert.Equal("old ours", await FindAsync(api.Http, ",\"readers\":[\"sales\"]"));
        Assert.Equal("old ours pay", await FindAsync(api.Http, ",\"readers\":[\"hr\"]"));
        Assert.Equal("ours", await FindAsync(api.Http, ",\"max_age_seconds\":3600"));
    }

    [Theory]
    [InlineData("""{"error_rate":1,"error_status":500}""", null, KnowledgeReasons.Provider)]
    [InlineData("""{"hang":"before_first_token"}""", null, KnowledgeReasons.Provider)]
    [InlineData("""{"malformed":"html"}""", null, KnowledgeReasons.Provider)]
    [InlineData("""{"error_rate":1,"error_status":429}""", null, KnowledgeReasons.Limit)]
    [InlineData("{}", """{"scope":"feature","subject":"knowledge","window":"day","limit_usd":0.000001}""", KnowledgeReasons.Budget)]
    public async Task Without_a_provider_or_money_words_alone_are_compared_and_the_answer_says_why(
        string behaviour,
        string? budget,
        string reason
    )
    {
        await using var api = await VectorApi.StartAsync(postgres, redis, simulator);
        await api.PutAsync("""{"source":"a","text":"Lamps blink when their filter fills."}""");
        await api.EmbedAsync();
        await api.BehaveAsync(JsonElement.Parse(behaviour));
        if (budget is not null)
        {
            await api.SendAsync(
                HttpMethod.Put,
                $"/api/v1/prices/simulator/{api.Model}",
                """{"input_per_million":1000,"output_per_million":0}"""
            );
            await api.SendAsync(HttpMethod.Post, "/api/v1/budgets", budget);
        }

        var found = await api.SearchAsync("""{"query":"Why does my lamp blink?"}""");

        Assert.Equal("a", Assert.Single(found.Data).Source);
        Assert.Equal(new(KnowledgeModes.Text, reason, null, 0), found.Matching);
    }

    [Theory]
    [InlineData("nobody-has-it")]
    [InlineData("sim-chat")]
    public async Task A_model_that_nobody_has_or_that_makes_no_vectors_is_as_none(string model)
    {
        await using var api = await VectorApi.StartAsync(postgres, redis, simulator, model);
        await api.PutAsync("""{"source":"a","text":"Lamps blink when their filter fills."}""");

        await api.EmbedAsync();
        var found = await api.SearchAsync("""{"query":"Why does my lamp blink?"}""");

        Assert.Equal("a", Assert.Single(found.Data).Source);
        Assert.Equal(new(KnowledgeModes.Text, KnowledgeReasons.NoModel, null, 0), found.Matching);
        Assert.Empty(await api.CallsAsync());
    }

    [Fact]
    public async Task Who_looks_and_who_puts_pays_and_what_says_the_same_as_before_is_not_paid_again()
    {
        await using var api = await VectorApi.StartAsync(postgres, redis, simulator);
        await api.PutAsync("""{"source":"a","text":"one lamp"}""");
        await api.EmbedAsync();
        await api.PutAsync("""{"source":"a","text":"one lamp","title":"Lamps","readers":["hr"]}""");
        await api.EmbedAsync();
        Assert.Single(await api.CallsAsync());
        await api.PutAsync("""{"source":"a","text":"two lamps"}""");
        await api.EmbedAsync();
        await api.SearchAsync(Question);

        await Eventually.TrueAsync(
            async _ => await api.Leader.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state <= 1") == 0,
            "the calls are settled"
        );
        var ledger = await api.Leader.ScalarAsync<string>(
            "SELECT string_agg(concat_ws(' ', tenant_id = '"
                + ApiKeyStore.DefaultTenant
                + "', lease_epoch, state::int, feature, key_id IS NOT NULL), '; ' ORDER BY reserved_at) FROM provider_calls"
        );
        Assert.Equal("t 0 2 knowledge f; t 0 2 knowledge f; t 0 2 knowledge t", ledger);
        Assert.Equal(
            1,
            await api.Leader.ScalarAsync<int>("SELECT count(*) FROM knowledge_chunks WHERE text = 'two lamps' AND vector IS NOT NULL")
        );
    }

    [Fact]
    public async Task A_tenant_without_money_waits_and_the_others_do_not()
    {
        await using var api = await VectorApi.StartAsync(postgres, redis, simulator);
        var other = api.Client(await api.AddTenantAsync());
        await api.SendAsync(
            HttpMethod.Put,
            $"/api/v1/prices/simulator/{api.Model}",
            """{"input_per_million":1000,"output_per_million":0}"""
        );
        await api.SendAsync(HttpMethod.Post, "/api/v1/budgets", """{"scope":"tenant","window":"day","limit_usd":0.000001}""");
        await api.PutAsync("""{"source":"poor","text":"who are you and what is it about"}""");
        await api.PutAsync("""{"source":"rich","text":"who are you and what is it about"}""", other);

        await api.EmbedAsync();
        await api.EmbedAsync();

        Assert.Equal(KnowledgeReasons.NoVectors, (await api.SearchAsync(Question)).Matching.Reason);
        Assert.Equal("rich", Assert.Single((await api.SearchAsync(Question, other)).Data).Source);
        Assert.Equal(2, (await api.CallsAsync()).Count);
    }
}
