using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Conversations;

/// <summary>What is known of callers' users (0051_summaries_and_profiles.sql).</summary>
public sealed class ProfileStore(NpgsqlDataSource database)
{
    private const string Columns = "end_user, text, updated_at, updated_by";

    private const string PutSql = $"""
        INSERT INTO user_profiles (tenant_id, end_user, text, updated_by)
        SELECT t.id, @user, @text, @by FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL
        ON CONFLICT (tenant_id, end_user) DO UPDATE SET text = excluded.text, updated_by = excluded.updated_by, updated_at = now()
        RETURNING {Columns}
        """;

    private const string FindSql = $"SELECT {Columns} FROM user_profiles WHERE tenant_id = @tenant_id AND end_user = @user";

    private const string DeleteSql = "DELETE FROM user_profiles WHERE tenant_id = @tenant_id AND end_user = @user RETURNING end_user";

    /// <summary>Puts it in place of what was there.</summary>
    /// <returns>Null when the tenant is being deleted.</returns>
    public async Task<UserProfile?> PutAsync(Guid tenantId, string user, string text, string by, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], PutSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("user", user);
        command.Parameters.AddWithValue("text", text);
        command.Parameters.AddWithValue("by", by);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Null when nothing is known.</returns>
    public async Task<UserProfile?> FindAsync(Guid tenantId, string user, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, FindSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("user", user);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Whether there was one.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, string user, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("user", user);
        return await batch.ExecuteScalarAsync(cancellationToken) is not null;
    }

    private static UserProfile Read(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetFieldValue<DateTimeOffset>(2), row.GetString(3));
}
