using System.Text.Json;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Knowledge;

/// <summary>Which passages a search puts first: as Postgres ranks them for all words at once, which is slower (0087b_ranked_passages.sql).</summary>
public sealed class KnowledgeRankTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private const int Passages = 150;
    private const int Questions = 60;

    // What the parser takes apart, or leaves whole, and what is the same word in the end.
    private static readonly string[] Words =
    [
        "pump",
        "pumps",
        "red",
        "well-known",
        "http://example.com/pump/red",
        "x@example.com",
        "-3.5",
        "C++",
        "Über",
        "blinking",
        "blinks",
        "the",
        "lamp.md",
        "it's",
        "!",
    ];

    // The same words in another order, of the same documents: what is alike is told apart by its document.
    private const string Expected = """
        SELECT coalesce(json_agg(json_build_array(d.source, r.score) ORDER BY r.score DESC, r.document_id), '[]')::text
          FROM (SELECT c.document_id, ts_rank_cd(c.terms, q.words, 1)::float8 AS score
                  FROM (SELECT string_agg(quote_literal(word), ' | ')::tsquery AS words
                          FROM unnest(tsvector_to_array(to_tsvector('english', $$QUESTION$$))) word) q
                  JOIN knowledge_chunks c ON c.terms @@ q.words) r
          JOIN knowledge_documents d ON d.id = r.document_id
        """;

    [Fact]
    public async Task A_search_ranks_as_if_all_words_were_asked_at_once()
    {
        var random = new Random(87);
        var store = new KnowledgeStore(Core.Database, Options.Create(new KnowledgeOptions()));
        for (var i = 0; i < Passages; i++)
        {
            var document = new KnowledgeRequest
            {
                Source = $"s{i}",
                Title = Some(random, 2),
                Text = Some(
                    random,
                    random.Next(4) switch
                    {
                        0 => 1,
                        1 => 4,
                        2 => 15,
                        _ => 60,
                    }
                ),
            };
            await store.PutAsync(ApiKeyStore.DefaultTenant, "manuals", document, TimeProvider.System.GetUtcNow(), TestRun.Cancel);
        }

        var found = 0;
        for (var i = 0; i < Questions; i++)
        {
            var question = Some(random, random.Next(1, 12));
            var asked = new KnowledgeQuery { Query = question, Limit = random.Next(1, 51) };

            var passages = await store.SearchAsync(ApiKeyStore.DefaultTenant, "manuals", asked, TestRun.Cancel);

            var all = JsonElement
                .Parse(await Core.ScalarAsync<string>(Expected.Replace("QUESTION", question, StringComparison.Ordinal)))
                .EnumerateArray()
                .Select(row => (Source: row[0].GetString()!, Score: row[1].GetDouble()))
                .ToList();
            var scores = all.ToDictionary(row => row.Source, row => row.Score, StringComparer.Ordinal);
            Assert.Equal(Math.Min(asked.Limit.Value, all.Count), passages.Count);
            // Their sources may be in another order where the scores differ by less than the last digit of their type says.
            Assert.All(passages.Zip(all), pair => Assert.Equal(pair.Second.Score, pair.First.Score, 1e-6 * pair.Second.Score));
            Assert.All(passages, passage => Assert.Equal(scores[passage.Source], passage.Score, 1e-6 * passage.Score));
            found += passages.Count;
        }

        Assert.True(found > Questions * 5, $"{found} passages were found.");
    }

    private static string Some(Random random, int count) => string.Join(' ', random.GetItems(Words, count));
}
