using Npgsql;

namespace AiBackend.Core.Controls.Caps;

/// <summary>How many jobs wait, counted in Postgres at one moment.</summary>
/// <param name="Waiting">By tenant; those of which none waits are left out.</param>
/// <param name="Caps">Of tenants that have a number of their own.</param>
/// <param name="Ended">Jobs that workers have ended since they began; only the difference of two counts means something.</param>
public sealed record QueueCount(IReadOnlyDictionary<Guid, long> Waiting, IReadOnlyDictionary<Guid, long> Caps, long Ended)
{
    /// <summary>Of all tenants.</summary>
    public long All { get; } = Waiting.Values.Sum();
}

/// <summary>Counts what waits. It reads every waiting job's index entry, so nobody does it for a single submission.</summary>
public sealed class QueueCounts(NpgsqlDataSource database)
{
    // Three arms, because each has an index of its own.
    private const string WaitingSql = """
        SELECT tenant_id, sum(n)::bigint FROM (
            SELECT tenant_id, count(*) AS n FROM jobs WHERE status = 1 AND pool = 'default' GROUP BY tenant_id
            UNION ALL
            SELECT tenant_id, count(*) FROM jobs WHERE status = 1 AND pool <> 'default' GROUP BY tenant_id
            UNION ALL
            SELECT tenant_id, count(*) FROM jobs WHERE status IN (0, 5) GROUP BY tenant_id) arms
         GROUP BY tenant_id
        """;

    private const string CapsSql = "SELECT id, max_queued FROM tenants WHERE max_queued IS NOT NULL";

    private const string EndedSql = "SELECT coalesce(sum(ended), 0)::bigint FROM workers";

    /// <summary>Counts, in one round trip.</summary>
    public async Task<QueueCount> ReadAsync(CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(WaitingSql));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(CapsSql));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(EndedSql));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var waiting = await ReadByTenantAsync(reader, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var caps = await ReadByTenantAsync(reader, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new QueueCount(waiting, caps, ReadNumber(reader, 0));
    }

    private static async Task<Dictionary<Guid, long>> ReadByTenantAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        var numbers = new Dictionary<Guid, long>();
        while (await reader.ReadAsync(cancellationToken))
        {
            numbers.Add(ReadId(reader), ReadNumber(reader, 1));
        }

        return numbers;
    }

    private static Guid ReadId(NpgsqlDataReader row) => row.GetGuid(0);

    private static long ReadNumber(NpgsqlDataReader row, int ordinal) => row.GetInt64(ordinal);
}
