using Npgsql;

namespace AiBackend.Core.Tenancy;

/// <summary>Finds tenants by the name that people use.</summary>
public sealed class TenantNames(NpgsqlDataSource database)
{
    private const string Sql = "SELECT id FROM tenants WHERE slug = @slug";

    /// <returns>Null when there is no such tenant.</returns>
    public async Task<Guid?> FindAsync(string slug, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("slug", slug);
        return await command.ExecuteScalarAsync(cancellationToken) as Guid?;
    }
}
