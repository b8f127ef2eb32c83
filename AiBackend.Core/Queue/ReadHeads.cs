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
    private static readonly string NextInOrder = NextKind(
        "k.around",
        "(j.tenant_id, j.expected_length, j.model) > (k.tenant_id, k.expected_length, k.model)"
    );

    private static readonly string NextFromTheStart = NextKind("true", "NOT k.around");

    // Whoever waited for a provider's limit meanwhile has not begun to wait anew.
    private const string WaitsSince = "coalesce(j.limited_since, j.due_at)";

    // From kind to kind by one descent of the index each; then the first rows of each kind. A plan over all rows of the line would cost a
    // thousand times as much. Young jobs are on their way by the fast path; only with a backlog are they the dispatcher's business.
    // Of every priority so many kinds, on from where the look before stopped and around the end: of very many, each has its turn.
    internal static readonly string HeadsSql = $"""
        SELECT k.priority, k.tenant_id, k.expected_length, k.model, k.place, k.most + coalesce(m.count, 0),
               h.id, coalesce(t.tier, 'standard'), h.expected_tokens, h.waited
          FROM (SELECT p.priority, a.*, least(@limit, greatest({LeastOfAKind}, 2 * @limit / count(*) OVER ()))::integer AS most
                  FROM unnest(@after_priorities, @after_tenants, @after_lengths, @after_models) AS p (priority, tenant_id, expected_length, model)
                 CROSS JOIN LATERAL (
                       WITH RECURSIVE kinds AS (
                           SELECT p.tenant_id, p.expected_length, p.model, false AS around, 0 AS place
                           UNION ALL
                           SELECT n.*, k.place + 1 FROM kinds k CROSS JOIN LATERAL (
                               ({NextInOrder})
                               UNION ALL
                               ({NextFromTheStart})
                               LIMIT 1) n
                            WHERE NOT n.around OR (n.tenant_id, n.expected_length, n.model) <= (p.tenant_id, p.expected_length, p.model)
                       )
                       SELECT a.tenant_id, a.expected_length, a.model, a.place FROM kinds a
                        WHERE a.place > 0 AND {HeldJobs.NoneOfKind("a.tenant_id", "a.model")} LIMIT @kinds) a) k
          LEFT JOIN unnest(@priorities, @tenants, @lengths, @models, @counts) AS m (priority, tenant_id, expected_length, model, count)
               USING (priority, tenant_id, expected_length, model)
          LEFT JOIN LATERAL (
               SELECT j.id, j.expected_tokens, now() - {WaitsSince} AS waited FROM jobs j
                WHERE j.status = 1 AND j.pool = 'default' AND j.crash_count < 2 AND j.priority = k.priority
                  AND j.tenant_id = k.tenant_id AND j.expected_length = k.expected_length AND j.model = k.model
                  AND (@all OR j.due_at < now() - @age)
                ORDER BY j.id LIMIT k.most + coalesce(m.count, 0)) h ON true
          LEFT JOIN tenants t ON t.id = k.tenant_id
        """;

    // A job that has run for longer than was expected is not short any more.
    private const string RunningSql = """
        SELECT priority, expected_length,
               greatest(expected_length, ceil(ln(greatest(1, 1000 * extract(epoch FROM now() - claimed_at)::float8)) / ln(2::float8)))::smallint,
               count(*)::integer, CASE WHEN tenant_id = ANY (@apart) THEN tenant_id END
          FROM jobs WHERE status = 2 AND pool = 'default' AND id <> ALL (@known) GROUP BY 1, 2, 3, 5
        """;

    // Nobody makes room for what is paused. Bounded: behind ten thousand that are, what waits is not seen, and nothing is moved for it.
    private static readonly string InteractiveSql = $"""
        SELECT max(line.waited), count(*) + (SELECT count(*) FROM jobs WHERE status = 2 AND pool = 'default' AND priority = 0)
          FROM (SELECT now() - j.due_at AS waited
                  FROM (SELECT due_at, tenant_id, model, pool FROM jobs
                         WHERE status = 1 AND pool = 'default' AND priority = 0 AND crash_count < 2 ORDER BY id LIMIT 10000) j
                 WHERE {HeldJobs.None("j")} LIMIT 1000) line
        """;

    // As long as it takes until a worker that says nothing more is called lost (Operations/WorkerReads).
    private const string SlotsSql = """
        SELECT id, coalesce(ready_slots, slots) FROM workers
         WHERE stopped_at IS NULL AND NOT draining AND last_seen_at > now() - interval '10 seconds'
        """;

    private const string ReservedSql = """
        SELECT id, reserved_slots FROM tenants WHERE reserved_slots > 0 AND disabled_at IS NULL AND deletion_at IS NULL
        """;

    // Of each priority in one look; a look costs some 10 µs a kind.
    private const int MostKinds = 2000;

    // However many kinds there are.
    private const int LeastOfAKind = 2;

    private static readonly IReadOnlyList<JobKind> FromTheStart =
    [
        .. Enum.GetValues<JobPriority>().Select(level => new JobKind(level, Guid.Empty, -1, "")),
    ];

    public async Task<LineHeads> ReadHeadsAsync(HeadsRequest request, CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(rounds, HeadsSql, parameters => Fill(parameters, request), cancellationToken);
        await using var reader = await command.Command.ExecuteReaderAsync(cancellationToken);
        var heads = new List<WaitingJob>();
        var kinds = new Dictionary<JobKind, KindSeen>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var kind = new JobKind((JobPriority)reader.GetInt16(0), reader.GetGuid(1), reader.GetInt16(2), reader.GetString(3));
            var seen = kinds.GetValueOrDefault(kind, new(reader.GetInt32(4), reader.GetInt32(5), 0));
            if (ReadHead(reader, kind) is { } head)
            {
                heads.Add(head);
                seen = seen with { Count = seen.Count + 1 };
            }

            kinds[kind] = seen;
        }

        var cut = kinds.GroupBy(kind => kind.Key.Level).Where(level => level.Count() >= MostKinds).ToList();
        return new(
            heads,
            kinds.Keys,
            cut.Count > 0 || kinds.Values.Any(kind => kind.Count >= kind.Most),
            [.. cut.Select(level => level.MaxBy(kind => kind.Value.Place).Key)]
        );
    }

    public async Task<IReadOnlyList<RunningJobs>> ReadRunningAsync(
        IReadOnlyCollection<Guid> apart,
        IReadOnlyCollection<Guid> known,
        CancellationToken cancellationToken
    )
    {
        await using var command = await HotCommand.OpenAsync(
            rounds,
            RunningSql,
            parameters =>
            {
                parameters.AddWithValue("apart", NpgsqlDbType.Array | NpgsqlDbType.Uuid, apart.ToArray());
                parameters.AddWithValue("known", NpgsqlDbType.Array | NpgsqlDbType.Uuid, known.ToArray());
            },
            cancellationToken
        );
        return await command.Command.ReadAllAsync(
            row => new RunningJobs(
                (JobPriority)row.GetInt16(0),
                row.GetInt16(1),
                row.GetInt16(2),
                row.GetInt32(3),
                row.IsDBNull(4) ? null : row.GetGuid(4)
            ),
            cancellationToken
        );
    }

    public async Task<IReadOnlyDictionary<Guid, int>> ReadReservedAsync(CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(rounds, ReservedSql, _ => { }, cancellationToken);
        var reserved = await command.Command.ReadAllAsync(row => KeyValuePair.Create(row.GetGuid(0), row.GetInt32(1)), cancellationToken);
        return reserved.ToDictionary();
    }

    public async Task<InteractiveDemand> ReadInteractiveDemandAsync(CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(rounds, InteractiveSql, _ => { }, cancellationToken);
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

    /// <returns>Null when there is none of the kind that is the dispatcher's business.</returns>
    private static WaitingJob? ReadHead(NpgsqlDataReader row, JobKind kind) =>
        row.IsDBNull(6)
            ? null
            : new(
                row.GetGuid(6),
                kind.TenantId,
                row.GetString(7),
                kind.Level,
                kind.Length,
                row.GetInt32(8),
                row.GetTimeSpan(9),
                kind.Model
            );

    internal static void Fill(NpgsqlParameterCollection parameters, HeadsRequest request)
    {
        var after = FromTheStart.Select(start => request.After.FirstOrDefault(kind => kind.Level == start.Level, start)).ToList();
        parameters.AddColumn("after_priorities", NpgsqlDbType.Smallint, after, kind => (short)kind.Level);
        parameters.AddColumn("after_tenants", NpgsqlDbType.Uuid, after, kind => kind.TenantId);
        parameters.AddColumn("after_lengths", NpgsqlDbType.Smallint, after, kind => kind.Length);
        parameters.AddColumn("after_models", NpgsqlDbType.Text, after, kind => kind.Model);
        var more = request.More.ToList();
        parameters.AddColumn("priorities", NpgsqlDbType.Smallint, more, kind => (short)kind.Key.Level);
        parameters.AddColumn("tenants", NpgsqlDbType.Uuid, more, kind => kind.Key.TenantId);
        parameters.AddColumn("lengths", NpgsqlDbType.Smallint, more, kind => kind.Key.Length);
        parameters.AddColumn("models", NpgsqlDbType.Text, more, kind => kind.Key.Model);
        parameters.AddColumn("counts", NpgsqlDbType.Integer, more, kind => kind.Value);
        parameters.AddWithValue("all", NpgsqlDbType.Boolean, request.All);
        parameters.AddWithValue("age", NpgsqlDbType.Interval, request.Age);
        parameters.AddWithValue("limit", NpgsqlDbType.Integer, request.Limit);
        parameters.AddWithValue("kinds", NpgsqlDbType.Integer, MostKinds);
    }

    private static string NextKind(string around, string condition) =>
        $"""
            SELECT j.tenant_id, j.expected_length, j.model, {around} AS around FROM jobs j
             WHERE j.status = 1 AND j.pool = 'default' AND j.priority = p.priority AND {condition}
             ORDER BY j.tenant_id, j.expected_length, j.model LIMIT 1
            """;

    /// <param name="Place">In the order of the look.</param>
    /// <param name="Most">Jobs that were asked for.</param>
    /// <param name="Count">Jobs that there were.</param>
    private readonly record struct KindSeen(int Place, int Most, int Count);
}
