using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Audit;

/// <summary>Reads and checks the audit log, and adds what changes no table.</summary>
public sealed class AuditLog([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    private const int Piece = 5_000;

    private const string ListSql = """
        SELECT a.seq, a.at, t.slug, a.actor, a.action, a.kind, a.object, a.before::text, a.after::text, a.request_id, a.address
          FROM audit_log a LEFT JOIN tenants t ON t.id = a.tenant_id
         WHERE (@tenant_id IS NULL OR a.tenant_id = @tenant_id) AND (@before_seq IS NULL OR a.seq < @before_seq)
           AND (@actor IS NULL OR a.actor = @actor) AND (@action IS NULL OR a.action = @action)
           AND (@kind IS NULL OR a.kind = @kind) AND (@object IS NULL OR a.object = @object)
           AND (@since IS NULL OR a.at >= @since) AND (@before IS NULL OR a.at < @before)
         ORDER BY a.seq DESC LIMIT @limit
        """;

    private const string AddSql = "SELECT audit_append(@tenant_id, @actor, @action, @kind, @object, NULL, @after, @request, @address)";

    // A row that is missing is the one whose number the next row should have.
    private const string VerifySql = """
        WITH part AS MATERIALIZED (
            SELECT a AS r, a.seq, a.hash FROM audit_log a WHERE a.seq > @seq ORDER BY a.seq LIMIT @most
        ), checked AS (
            SELECT p.seq, p.hash, lag(p.seq, 1, @seq) OVER w + 1 AS expected,
                   p.hash IS DISTINCT FROM audit_hash(lag(p.hash, 1, @hash) OVER w, p.r) AS is_other
              FROM part p WINDOW w AS (ORDER BY p.seq)
        )
        SELECT count(*), max(seq), (array_agg(hash ORDER BY seq DESC))[1], min(expected) FILTER (WHERE is_other OR seq <> expected)
          FROM checked
        """;

    // Whoever rewrites rows has to give them, and all rows behind them, other hashes than they had on some day.
    private const string AnchoredSql = """
        SELECT min(k.seq)
          FROM (SELECT seq, hash FROM audit_anchors UNION ALL SELECT * FROM (VALUES (@seq, @hash)) asked (seq, hash) WHERE seq IS NOT NULL) k
         WHERE NOT EXISTS (SELECT FROM audit_log a WHERE a.seq = k.seq AND a.hash = k.hash)
        """;

    /// <summary>Newest first.</summary>
    /// <param name="filter">Which.</param>
    /// <param name="beforeSeq">Only rows of lower numbers; null begins with the newest.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<AuditEntry>> ListAsync(
        AuditFilter filter,
        long? beforeSeq,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(ListSql);
        var parameters = command.Parameters;
        parameters.AddWithValue("tenant_id", NpgsqlDbType.Uuid, (object?)filter.TenantId ?? DBNull.Value);
        parameters.AddWithValue("before_seq", NpgsqlDbType.Bigint, (object?)beforeSeq ?? DBNull.Value);
        AddText(parameters, "actor", filter.Actor);
        AddText(parameters, "action", filter.Action);
        AddText(parameters, "kind", filter.Kind);
        AddText(parameters, "object", filter.Object);
        parameters.AddWithValue("since", NpgsqlDbType.TimestampTz, (object?)filter.Since?.ToUniversalTime() ?? DBNull.Value);
        parameters.AddWithValue("before", NpgsqlDbType.TimestampTz, (object?)filter.Before?.ToUniversalTime() ?? DBNull.Value);
        parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>Adds an act that changes no table, such as one that was refused.</summary>
    /// <param name="actor">Who did what.</param>
    /// <param name="kind">Of what.</param>
    /// <param name="name">Which.</param>
    /// <param name="detail">More of it, as JSON; null is nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task AddAsync(AuditActor actor, string kind, string name, string? detail, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(AddSql);
        var parameters = command.Parameters;
        parameters.AddWithValue("tenant_id", actor.TenantId);
        parameters.AddWithValue("actor", actor.Actor);
        parameters.AddWithValue("action", actor.Action);
        parameters.AddWithValue("kind", kind);
        parameters.AddWithValue("object", name);
        parameters.AddWithValue("after", NpgsqlDbType.Jsonb, (object?)detail ?? DBNull.Value);
        AddText(parameters, "request", actor.RequestId);
        AddText(parameters, "address", actor.Address);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Computes every hash anew, in pieces, and compares, also with what was put down of every day (0072_audit_anchors.sql).</summary>
    /// <param name="kept">What somebody kept elsewhere; null is nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<AuditVerdict> VerifyAsync(AuditAnchor? kept, CancellationToken cancellationToken)
    {
        var verdict = await VerifyChainAsync(cancellationToken);
        await using var command = database.CreateCommand(AnchoredSql);
        command.Parameters.AddWithValue("seq", NpgsqlDbType.Bigint, (object?)kept?.Seq ?? DBNull.Value);
        command.Parameters.AddWithValue("hash", NpgsqlDbType.Bytea, (object?)kept?.Hash ?? DBNull.Value);
        return await command.ExecuteScalarAsync(cancellationToken) is long other && !(verdict.FirstBad <= other)
            ? verdict with
            {
                FirstBad = other,
            }
            : verdict;
    }

    private async Task<AuditVerdict> VerifyChainAsync(CancellationToken cancellationToken)
    {
        var (rows, seq, hash) = (0L, 0L, Array.Empty<byte>());
        while (true)
        {
            var (count, last, lastHash, bad) = await VerifyPieceAsync(seq, hash, cancellationToken);
            rows += count;
            if (bad is not null || count == 0)
            {
                var head = await ReadHeadAsync(cancellationToken);
                bad ??= await FindBadEndAsync(seq, hash, head, cancellationToken);
                return new(rows, bad, head.Seq, Convert.ToHexStringLower(head.Hash));
            }

            (seq, hash) = (last, lastHash);
        }
    }

    /// <summary>Whether the log ends where it was written last; a row that came after the last look is none of its business.</summary>
    private async Task<long?> FindBadEndAsync(long seq, byte[] hash, (long Seq, byte[] Hash) head, CancellationToken cancellationToken) =>
        head.Seq < seq ? head.Seq + 1
        : head.Seq == seq ? (head.Hash.AsSpan().SequenceEqual(hash) ? null : seq)
        : await ExistsAsync(seq + 1, cancellationToken) ? null
        : seq + 1;

    private async Task<(long Count, long Last, byte[] LastHash, long? Bad)> VerifyPieceAsync(
        long seq,
        byte[] hash,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(VerifySql);
        command.Parameters.AddWithValue("seq", seq);
        command.Parameters.AddWithValue("hash", hash);
        command.Parameters.AddWithValue("most", Piece);
        var pieces = await command.ReadAllAsync(
            row =>
                (
                    row.GetInt64(0),
                    row.IsDBNull(1) ? 0 : row.GetInt64(1),
                    row.IsDBNull(2) ? [] : row.GetFieldValue<byte[]>(2),
                    row.IsDBNull(3) ? (long?)null : row.GetInt64(3)
                ),
            cancellationToken
        );
        return pieces[0];
    }

    private async Task<(long Seq, byte[] Hash)> ReadHeadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT seq, hash FROM audit_head");
        return (await command.ReadAllAsync(row => (row.GetInt64(0), row.GetFieldValue<byte[]>(1)), cancellationToken))[0];
    }

    private async Task<bool> ExistsAsync(long seq, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT EXISTS (SELECT 1 FROM audit_log WHERE seq = @seq)");
        command.Parameters.AddWithValue("seq", seq);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static void AddText(NpgsqlParameterCollection parameters, string name, string? value) =>
        parameters.AddWithValue(name, NpgsqlDbType.Text, (object?)value ?? DBNull.Value);

    private static AuditEntry Read(NpgsqlDataReader row) =>
        new(
            row.GetInt64(0),
            row.GetFieldValue<DateTimeOffset>(1),
            row.Text(2),
            row.GetString(3),
            row.GetString(4),
            row.GetString(5),
            row.GetString(6),
            row.Text(7),
            row.Text(8),
            row.Text(9),
            row.Text(10)
        );
}
