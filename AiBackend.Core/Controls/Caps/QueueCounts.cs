using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Controls.Caps;

/// <summary>How many jobs wait, counted in Postgres at one moment.</summary>
/// <param name="Waiting">By tenant; those of which none waits are left out.</param>
/// <param name="Ready">Of them those that could start now, by tenant.</param>
/// <param name="FreeSlots">Of the living workers.</param>
/// <param name="Caps">Of tenants that have a number of their own.</param>
/// <param name="Ended">Jobs that workers have ended since they began; only the difference of two counts means something.</param>
public sealed record QueueCount(
    IReadOnlyDictionary<Guid, long> Waiting,
    IReadOnlyDictionary<Guid, long> Ready,
    IReadOnlyDictionary<Guid, long> Caps,
    long Ended,
    long FreeSlots
)
{
    /// <summary>Of all tenants.</summary>
    public long All { get; } = Waiting.Values.Sum();

    /// <summary>Of all tenants, those that could start now and have no slot.</summary>
    public long Behind { get; } = Math.Max(0, Ready.Values.Sum() - FreeSlots);
}

/// <summary>Counts what waits. It reads every waiting job's index entry, so nobody does it for a single submission.</summary>
public sealed class QueueCounts([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    // Three arms, because each has an index of its own.
    private const string WaitingSql = """
        SELECT tenant_id, sum(n)::bigint, sum(ready)::bigint FROM (
            SELECT tenant_id, count(*) AS n, count(*) AS ready FROM jobs WHERE status = 1 AND pool = 'default' GROUP BY tenant_id
            UNION ALL
            SELECT tenant_id, count(*), count(*) FROM jobs WHERE status = 1 AND pool <> 'default' GROUP BY tenant_id
            UNION ALL
            SELECT tenant_id, count(*), 0 FROM jobs WHERE status IN (0, 5) GROUP BY tenant_id) arms
         GROUP BY tenant_id
        """;

    private const string CapsSql = "SELECT id, max_queued FROM tenants WHERE max_queued IS NOT NULL";

    private const string EndedSql = """
        SELECT coalesce(sum(ended), 0)::bigint,
               coalesce(sum(slots - busy) FILTER (WHERE stopped_at IS NULL AND NOT draining AND last_seen_at > now() - interval '10 seconds'), 0)::bigint
          FROM workers
        """;

    /// <summary>Counts, in one round trip.</summary>
    public async Task<QueueCount> ReadAsync(CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(WaitingSql));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(CapsSql));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(EndedSql));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var (waiting, ready, caps) = (new Dictionary<Guid, long>(), new Dictionary<Guid, long>(), new Dictionary<Guid, long>());
        while (await reader.ReadAsync(cancellationToken))
        {
            Add(reader, waiting, 1);
            Add(reader, ready, 2);
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            Add(reader, caps, 1);
        }

        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (ended, free) = ReadWorkers(reader);
        return new QueueCount(waiting, ready, caps, ended, free);
    }

    private static void Add(NpgsqlDataReader row, Dictionary<Guid, long> numbers, int ordinal) =>
        numbers.Add(row.GetGuid(0), row.GetInt64(ordinal));

    private static (long Ended, long FreeSlots) ReadWorkers(NpgsqlDataReader row) => (row.GetInt64(0), row.GetInt64(1));
}
