using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Batches;

/// <summary>Batches as their owners make, see and cancel them.</summary>
public sealed class BatchStore(NpgsqlDataSource database)
{
    internal const string Columns = """
        b.id, b.tenant_id, b.key_id, b.endpoint, b.input_file_id, b.status, b.metadata, b.created_at, b.window_ends_at, b.read_to, b.lines,
        b.faults, b.output_file_id, b.error_file_id, b.in_progress_at, b.cancelling_at, b.finalizing_at, b.ended_at
        """;

    private const string Counted = $"""
        {Columns}, c.answered, c.missed
          FROM batches b
         CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE l.state = 2)::int AS answered, count(*) FILTER (WHERE l.state > 2)::int AS missed
                               FROM batch_lines l WHERE l.batch_id = b.id AND l.tenant_id = @tenant_id) c
        """;

    private const string AddSql = """
        INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, metadata, window_ends_at)
        VALUES (@id, @tenant_id, @key_id, @endpoint, @input_file_id, 0, @metadata, now() + @window)
        """;

    private const string FindSql = $"SELECT {Counted} WHERE b.id = @id AND b.tenant_id = @tenant_id";

    private const string ListSql = $"""
        SELECT {Counted} WHERE b.tenant_id = @tenant_id AND (@after IS NULL OR b.id < @after) ORDER BY b.id DESC LIMIT @limit
        """;

    private const string CancelSql = """
        UPDATE batches SET status = 3, cancelling_at = now() WHERE id = @id AND tenant_id = @tenant_id AND status::int IN (0, 1)
        """;

    private const string UsesSql = """
        SELECT EXISTS (SELECT 1 FROM batches WHERE tenant_id = @tenant_id AND input_file_id = @id AND ended_at IS NULL)
        """;

    /// <summary>Makes a batch; somebody begins with it within a second.</summary>
    public async Task AddAsync(Batch batch, TimeSpan window, CancellationToken cancellationToken)
    {
        await using var command = For(batch.TenantId, batch.Id, AddSql);
        command.Parameters.AddWithValue("key_id", batch.KeyId);
        command.Parameters.AddWithValue("endpoint", batch.Endpoint);
        command.Parameters.AddWithValue("input_file_id", batch.InputFileId);
        command.Parameters.AddWithValue("metadata", NpgsqlDbType.Text, (object?)batch.Metadata ?? DBNull.Value);
        command.Parameters.AddWithValue("window", NpgsqlDbType.Interval, window);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Null when the tenant has no such batch.</returns>
    public async Task<Batch?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, FindSql);
        return (await command.ReadAllAsync(ReadCounted, cancellationToken)).SingleOrDefault();
    }

    /// <summary>A page of a tenant's batches, newest first.</summary>
    public async Task<IReadOnlyList<Batch>> ListAsync(Guid tenantId, ListPage page, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Uuid, (object?)page.After ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", page.Limit);
        return await command.ReadAllAsync(ReadCounted, cancellationToken);
    }

    /// <returns>Whether this call asked for its end; one that has ended, or is ending, stays as it is.</returns>
    public async Task<bool> CancelAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, CancelSql);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Whether a batch that has not ended still needs a file.</summary>
    public async Task<bool> UsesAsync(Guid tenantId, Guid fileId, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, fileId, UsesSql);
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    internal static Batch Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            TenantId = row.GetGuid(1),
            KeyId = row.GetString(2),
            Endpoint = row.GetString(3),
            InputFileId = row.GetGuid(4),
            Status = (BatchStatus)row.GetInt16(5),
            Metadata = row.Text(6),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(7),
            WindowEndsAt = row.GetFieldValue<DateTimeOffset>(8),
            ReadTo = row.GetInt64(9),
            Lines = row.GetInt32(10),
            Faults = row.Text(11),
            OutputFileId = row.Id(12),
            ErrorFileId = row.Id(13),
            InProgressAt = row.Moment(14),
            CancellingAt = row.Moment(15),
            FinalizingAt = row.Moment(16),
            EndedAt = row.Moment(17),
        };

    private static Batch ReadCounted(NpgsqlDataReader row) => Read(row) with { Answered = row.GetInt32(18), Missed = row.GetInt32(19) };

    private NpgsqlCommand For(Guid tenantId, Guid id, string sql)
    {
        var command = database.CreateCommandFor(tenantId, sql);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return command;
    }
}
