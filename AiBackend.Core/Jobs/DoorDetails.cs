using System.Data;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>What the door that a job came through keeps with it, see <see cref="JobDraft.Details"/>.</summary>
/// <param name="Json">As it was written.</param>
/// <param name="Input">The job's input.</param>
/// <param name="IsDeleted">Nobody finds it any more; only a repeat of what was built on it before is still told apart by it.</param>
public sealed record DoorDetails(string Json, string Input, bool IsDeleted);

/// <summary>Reads it, and what of it somebody deleted. The job itself stays for as long as every job: what happened is not undone.</summary>
public sealed class DoorDetailsStore(NpgsqlDataSource database)
{
    private const string FindSql = """
        SELECT p.details, p.input, EXISTS (SELECT 1 FROM deleted_details d WHERE d.job_id = p.job_id) FROM job_payloads p
         WHERE p.job_id = @job_id AND p.tenant_id = @tenant_id AND p.details IS NOT NULL
        """;

    private const string DeleteSql = """
        INSERT INTO deleted_details (job_id, tenant_id)
        SELECT p.job_id, p.tenant_id FROM job_payloads p
         WHERE p.job_id = @job_id AND p.tenant_id = @tenant_id AND p.details IS NOT NULL
        ON CONFLICT DO NOTHING
        """;

    /// <returns>Null when the tenant has no such job, or the job has none.</returns>
    public async Task<DoorDetails?> FindAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, FindSql);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new DoorDetails(reader.GetString(0), reader.GetString(1), reader.GetBoolean(2))
            : null;
    }

    /// <returns>Whether this call deleted them.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, DeleteSql);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }
}
