using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Queue;

// What the dispatcher reads: ranges of indexes, however long the line is.
internal sealed partial class FindQueuedJobs
{
    // From kind to kind by one descent of the index each; then the first rows of each kind. A plan over all rows of the line would cost a
    // thousand times as much. Young jobs are on their way by the fast path; only with a backlog are they the dispatcher's business.
    private static readonly string HeadsSql = $"""
        WITH RECURSIVE kinds AS (
            (SELECT priority, tenant_id, expected_length FROM jobs WHERE status = 1 AND pool = 'default'
              ORDER BY priority, tenant_id, expected_length LIMIT 1)
            UNION ALL
            SELECT n.* FROM kinds k CROSS JOIN LATERAL (
                SELECT j.priority, j.tenant_id, j.expected_length FROM jobs j
                 WHERE j.status = 1 AND j.pool = 'default'
                   AND (j.priority, j.tenant_id, j.expected_length) > (k.priority, k.tenant_id, k.expected_length)
                 ORDER BY j.priority, j.tenant_id, j.expected_length LIMIT 1) n
        )
        SELECT h.id, k.tenant_id, coalesce(t.tier, 'standard'), k.priority, k.expected_length, h.expected_tokens, h.waited
          FROM (SELECT * FROM kinds a WHERE {HeldJobs.NoneOfTenant("a.tenant_id")} LIMIT @kinds) k
          LEFT JOIN unnest(@priorities, @tenants, @lengths, @counts) AS m (priority, tenant_id, expected_length, count)
               USING (priority, tenant_id, expected_length)
         CROSS JOIN LATERAL (
               SELECT j.id, j.expected_tokens, now() - j.due_at AS waited FROM jobs j
                WHERE j.status = 1 AND j.pool = 'default' AND j.crash_count < 2
                  AND j.priority = k.priority AND j.tenant_id = k.tenant_id AND j.expected_length = k.expected_length
                  AND (@all OR j.due_at < now() - @age) AND {HeldJobs.None("j")}
                ORDER BY j.id LIMIT @limit + coalesce(m.count, 0)) h
          LEFT JOIN tenants t ON t.id = k.tenant_id
        """;

    // A job that has run for longer than was expected is not short any more.
    private const string RunningSql = """
        SELECT priority, greatest(expected_length, ceil(ln(greatest(1, 1000 * extract(epoch FROM now() - claimed_at)::float8)) / ln(2::float8)))::smallint AS length,
               count(*)::integer
          FROM jobs WHERE status = 2 AND pool = 'default' GROUP BY 1, 2
        """;

    private const string InteractiveSql = """
        SELECT (SELECT now() - due_at FROM jobs
                 WHERE status = 1 AND pool = 'default' AND priority = 0 AND crash_count < 2 ORDER BY id LIMIT 1),
               (SELECT count(*) FROM jobs WHERE status = 2 AND pool = 'default' AND priority = 0)
               + (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE status = 1 AND pool = 'default' AND priority = 0 AND crash_count < 2
                                         LIMIT 1000) line)
        """;

    // As long as it takes until a worker that says nothing more is called lost (Operations/WorkerReads).
    private const string SlotsSql = """
        SELECT id, coalesce(ready_slots, slots) FROM workers
         WHERE stopped_at IS NULL AND NOT draining AND last_seen_at > now() - interval '10 seconds'
        """;

    private const int MostKinds = 5000;

    public async Task<IReadOnlyList<WaitingJob>> ReadHeadsAsync(HeadsRequest request, CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(hot, HeadsSql, parameters => Fill(parameters, request), cancellationToken);
        await using var reader = await command.Command.ExecuteReaderAsync(cancellationToken);
        var heads = new List<WaitingJob>();
        while (await reader.ReadAsync(cancellationToken))
        {
            heads.Add(ReadHead(reader));
        }

        return heads;
    }

    public async Task<IReadOnlyList<RunningJobs>> ReadRunningAsync(CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(hot, RunningSql, _ => { }, cancellationToken);
        await using var reader = await command.Command.ExecuteReaderAsync(cancellationToken);
        var running = new List<RunningJobs>();
        while (await reader.ReadAsync(cancellationToken))
        {
            running.Add(new((JobPriority)reader.GetInt16(0), reader.GetInt16(1), reader.GetInt32(2)));
        }

        return running;
    }

    public async Task<InteractiveDemand> ReadInteractiveDemandAsync(CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(hot, InteractiveSql, _ => { }, cancellationToken);
        await using var reader = await command.Command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return ReadDemand(reader);
    }

    private static InteractiveDemand ReadDemand(NpgsqlDataReader row) =>
        new(row.IsDBNull(0) ? TimeSpan.Zero : row.GetTimeSpan(0), (int)row.GetInt64(1));

    public async Task<IReadOnlyDictionary<string, int>> ReadSlotsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(SlotsSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var slots = new Dictionary<string, int>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            slots.Add(reader.GetGuid(0).ToString("N"), reader.GetInt32(1));
        }

        return slots;
    }

    private static WaitingJob ReadHead(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetGuid(1),
            row.GetString(2),
            (JobPriority)row.GetInt16(3),
            row.GetInt16(4),
            row.GetInt32(5),
            row.GetTimeSpan(6)
        );

    private static void Fill(NpgsqlParameterCollection parameters, HeadsRequest request)
    {
        var more = request.More.ToList();
        parameters.AddColumn("priorities", NpgsqlDbType.Smallint, more, kind => (short)kind.Key.Level);
        parameters.AddColumn("tenants", NpgsqlDbType.Uuid, more, kind => kind.Key.TenantId);
        parameters.AddColumn("lengths", NpgsqlDbType.Smallint, more, kind => kind.Key.Length);
        parameters.AddColumn("counts", NpgsqlDbType.Integer, more, kind => kind.Value);
        parameters.AddWithValue("all", NpgsqlDbType.Boolean, request.All);
        parameters.AddWithValue("age", NpgsqlDbType.Interval, request.Age);
        parameters.AddWithValue("limit", NpgsqlDbType.Integer, request.Limit);
        parameters.AddWithValue("kinds", NpgsqlDbType.Integer, MostKinds);
    }
}
