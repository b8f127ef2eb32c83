using System.Globalization;
using AiBackend.Bench.Stack;
using Npgsql;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// The baseline of <c>drain</c>: the queue that most people build first. A table, workers that each take one row with
/// <c>SKIP LOCKED</c>, and one that marks it done; durable, without leases, fences or events.
/// </summary>
internal static class RowByRowQueue
{
    private const int Workers = 16;
    private const int Jobs = 5_000;

    private const string TakeSql = """
        UPDATE naive SET status = 1 WHERE id = (SELECT id FROM naive WHERE status = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id
        """;

    public static async Task<double> DrainPerSecondAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        await ExecuteAsync(
            stack.Database,
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                CREATE TABLE naive (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status smallint NOT NULL DEFAULT 0, input text);
                CREATE INDEX naive_waiting ON naive (id) WHERE status = 0;
                INSERT INTO naive (input) SELECT repeat('x', 200) FROM generate_series(1, {Jobs});
                """
            ),
            cancellationToken
        );
        await stack.AnalyzeAsync(cancellationToken);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Workers).Select(_ => WorkAsync(stack.Database, cancellationToken)));
        var perSecond = Jobs / watch.Elapsed.TotalSeconds;
        await ExecuteAsync(stack.Database, "DROP TABLE naive", cancellationToken);
        return perSecond;
    }

    private static async Task WorkAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        while (true)
        {
            await using var take = database.CreateCommand(TakeSql);
            if (await take.ExecuteScalarAsync(cancellationToken) is not long id)
            {
                return;
            }

            await using var done = database.CreateCommand("UPDATE naive SET status = 2 WHERE id = @id");
            done.Parameters.AddWithValue("id", id);
            await done.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private static async Task ExecuteAsync(NpgsqlDataSource database, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
