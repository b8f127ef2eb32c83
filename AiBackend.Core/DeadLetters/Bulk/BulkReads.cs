using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>Reads bulk actions, and lets a caller end one. Every call names its tenant.</summary>
public sealed class BulkReads(NpgsqlDataSource database)
{
    /// <summary>How far the action <c>a</c> is and what became of its new jobs, from the letters and the jobs themselves.</summary>
    internal const string Counts = """
        SELECT count(*) FILTER (WHERE b.state = 0) AS waiting, count(*) FILTER (WHERE b.state IN (1, 3, 4)) AS done,
               count(*) FILTER (WHERE b.state = 2) AS skipped, count(j.id) FILTER (WHERE j.status < 6) AS running,
               count(j.id) FILTER (WHERE j.status IN (6, 7)) AS succeeded, count(j.id) FILTER (WHERE j.status = 8) AS failed,
               count(j.id) FILTER (WHERE j.status = 9) AS cancelled
          FROM bulk_items b LEFT JOIN jobs j ON j.id = b.new_job_id WHERE b.action_id = a.id
        """;

    // What was counted for good is not counted again: lists are read every second or two, and an action has up to 100 000 letters.
    private const string Columns = $"""
        SELECT a.id, a.kind, a.status, a.stage, a.canary, a.rate, a.model, a.filter, a.total, a.created_by, a.created_at, a.finished_at,
               a.stopped_by, coalesce(a.waiting, i.waiting), coalesce(a.done, i.done), coalesce(a.skipped, i.skipped), i.running,
               coalesce(a.succeeded, i.succeeded), coalesce(a.failed, i.failed), coalesce(a.cancelled, i.cancelled), s.code
          FROM bulk_actions a
          CROSS JOIN LATERAL ({Counts} AND a.counted_at IS NULL) i
          LEFT JOIN dead_letters s ON s.job_id = a.stopped_by
        """;

    private const string OneSql = Columns + " WHERE a.tenant_id = @tenant_id AND a.id = @id";
    private const string ListSql = Columns + " WHERE a.tenant_id = @tenant_id ORDER BY a.id DESC LIMIT @limit";

    private const string CancelSql = """
        UPDATE bulk_actions SET status = 3, finished_at = now() WHERE tenant_id = @tenant_id AND id = @id AND status::int = 0
        """;

    /// <returns>Null when the tenant has no such action.</returns>
    public async Task<BulkAction?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, OneSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", id);
        return await command.ReadAllAsync(Read, cancellationToken) is [var action] ? action : null;
    }

    /// <returns>Newest first.</returns>
    public async Task<IReadOnlyList<BulkAction>> ListAsync(Guid tenantId, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>Ends an action that runs; what it has done stays done.</summary>
    /// <returns>False when it does not run, or not for this tenant.</returns>
    public async Task<bool> CancelAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], CancelSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", id);
        return await batch.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    private static BulkAction Read(NpgsqlDataReader row)
    {
        var kind = (BulkKind)row.GetInt16(1);
        var stoppedBy = row.Id(12);
        return new BulkAction
        {
            Id = row.GetGuid(0),
            Kind = kind.ToWire(),
            Status = ((BulkStatus)row.GetInt16(2)).ToWire(),
            Stage = row.GetInt16(3),
            Canary = row.GetBoolean(4),
            Rate = row.GetInt32(5),
            Model = row.Text(6),
            Filter = row.Text(7) is { } filter ? JsonSerializer.Deserialize(filter, WireJson.Default.BulkFilter) : null,
            Total = row.GetInt32(8),
            CreatedBy = row.GetString(9),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(10),
            FinishedAt = row.Moment(11),
            StoppedBy = stoppedBy,
            StopReason = stoppedBy is { } died
                ? $"Job {died} failed as before ({row.Text(20)}): the cause persists. Mend it, then replay what is left."
                : null,
            Waiting = row.GetInt64(13),
            Done = row.GetInt64(14),
            Skipped = row.GetInt64(15),
            Outcomes =
                kind == BulkKind.Replay ? new BulkOutcomes(row.GetInt64(16), row.GetInt64(17), row.GetInt64(18), row.GetInt64(19)) : null,
        };
    }
}
