using AiBackend.Core.Database;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Batches;

/// <summary>Batches as their owners make, see and cancel them.</summary>
public sealed class BatchStore(NpgsqlDataSource database, IOptions<BatchesOptions> options)
{
    internal const string Columns = """
        b.id, b.tenant_id, b.key_id, b.endpoint, b.input_file_id, b.status, b.metadata, b.created_at, b.window_ends_at, b.read_to, b.lines,
        b.faults, b.output_file_id, b.error_file_id, b.in_progress_at, b.cancelling_at, b.finalizing_at, b.ended_at,
        b.submitted, b.answered, b.missed
        """;

    // One after the other of a tenant, and after who deletes the file: a tenant with a file has that row. What they did is seen by the second
    // statement only.
    private const string AddSql = $"""
        UPDATE file_usage SET bytes = bytes WHERE tenant_id = @tenant_id;
        WITH seen AS (
            SELECT EXISTS (SELECT 1 FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL) AS has_tenant,
                   EXISTS (SELECT 1 FROM files f WHERE f.id = @input_file_id AND f.tenant_id = @tenant_id AND f.purpose = @purpose
                                                   AND f.ready_at IS NOT NULL AND f.expires_at > now()) AS has_file,
                   (SELECT count(*)::int FROM batches o WHERE o.tenant_id = @tenant_id AND o.ended_at IS NULL) AS open
        ), b AS (
            INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, metadata, window_ends_at)
            SELECT @id, @tenant_id, @key_id, @endpoint, @input_file_id, 0, @metadata, now() + @window
              FROM seen WHERE has_tenant AND has_file AND open < @most_open
            RETURNING *
        )
        SELECT {Columns}, seen.has_tenant, seen.has_file, seen.open FROM seen LEFT JOIN b ON true
        """;

    private const string FindSql = $"SELECT {Columns} FROM batches b WHERE b.id = @id AND b.tenant_id = @tenant_id";

    private const string ListSql = $"""
        SELECT {Columns} FROM batches b WHERE b.tenant_id = @tenant_id AND (@after IS NULL OR b.id < @after) ORDER BY b.id DESC LIMIT @limit
        """;

    private const string CancelSql = """
        UPDATE batches SET status = 3, cancelling_at = now() WHERE id = @id AND tenant_id = @tenant_id AND status::int IN (0, 1)
        """;

    /// <summary>Makes a batch within a transaction that acts for its tenant.</summary>
    /// <param name="transaction">The connection of the transaction.</param>
    /// <param name="batch">What it is.</param>
    /// <param name="purpose">That of its file.</param>
    /// <param name="window">How long it has.</param>
    public async Task<BatchAddition> AddAsync(NpgsqlConnection transaction, Batch batch, string purpose, TimeSpan window)
    {
        await using var command = new NpgsqlCommand(AddSql, transaction);
        AddKey(command, batch.TenantId, batch.Id);
        command.Parameters.AddWithValue("key_id", batch.KeyId);
        command.Parameters.AddWithValue("endpoint", batch.Endpoint);
        command.Parameters.AddWithValue("input_file_id", batch.InputFileId);
        command.Parameters.AddWithValue("metadata", NpgsqlDbType.Text, (object?)batch.Metadata ?? DBNull.Value);
        command.Parameters.AddWithValue("window", NpgsqlDbType.Interval, window);
        command.Parameters.AddWithValue("purpose", purpose);
        command.Parameters.AddWithValue("most_open", options.Value.MaxOpenPerTenant);
        return (await command.ReadAllAsync(ReadAddition, CancellationToken.None)).Single();
    }

    /// <returns>Null when the tenant has no such batch.</returns>
    public async Task<Batch?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, FindSql);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>A page of a tenant's batches, newest first.</summary>
    public async Task<IReadOnlyList<Batch>> ListAsync(Guid tenantId, ListPage page, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Uuid, (object?)page.After ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", page.Limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <returns>Whether this call asked for its end; one that has ended, or is ending, stays as it is.</returns>
    public async Task<bool> CancelAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, CancelSql);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
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
            Submitted = row.GetInt32(18),
            Answered = row.GetInt32(19),
            Missed = row.GetInt32(20),
        };

    private static BatchAddition ReadAddition(NpgsqlDataReader row) =>
        !row.IsDBNull(0) ? new BatchAddition.Made(Read(row))
        : !row.GetBoolean(21) ? new BatchAddition.NoTenant()
        : !row.GetBoolean(22) ? new BatchAddition.NoFile()
        : new BatchAddition.TooMany(row.GetInt32(23));

    private NpgsqlCommand For(Guid tenantId, Guid id, string sql)
    {
        var command = database.CreateCommandFor(tenantId, sql);
        AddKey(command, tenantId, id);
        return command;
    }

    private static void AddKey(NpgsqlCommand command, Guid tenantId, Guid id)
    {
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
    }
}
