using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Upgrade;

/// <summary>Autovacuum analyses, and a restore builds, what indexes are made of without a search path.</summary>
public sealed class AnalysedIndexTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task Every_index_is_of_functions_that_are_found_without_a_search_path()
    {
        for (var i = 0; i < 3; i++)
        {
            await Core.SubmitAsync(
                CoreHost.Draft() with
                {
                    Terms = $$"""{"attachments":[{"file":"{{Guid.CreateVersion7()}}","name":"a","media_type":"text/plain","bytes":1}]}""",
                }
            );
        }

        await using var connection = await Core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using var analyse = new NpgsqlCommand("SET search_path = ''; ANALYZE", connection);
        await analyse.ExecuteNonQueryAsync(TestRun.Cancel);

        Assert.Equal(3, await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads WHERE cardinality(attached_files(terms)) = 1"));
    }
}
