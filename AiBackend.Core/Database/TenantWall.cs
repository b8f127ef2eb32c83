using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Database;

/// <summary>The second wall between tenants: Postgres shows a statement the rows of the tenants it acts for, whatever its conditions say.</summary>
/// <remarks>
/// The first wall is the condition on <c>tenant_id</c> in every statement. Where it is forgotten, the row-level security of
/// 0029_tenant_wall.sql returns nothing instead of somebody else's rows. Who acts is told in the statement's own transaction, in the same
/// round trip, and forgotten with it.
/// </remarks>
public static class TenantWall
{
    private const string Act = "CALL act_for(@acting_tenants)";

    /// <summary>A command for rows of one tenant.</summary>
    /// <param name="database">Any source.</param>
    /// <param name="tenantId">Who acts.</param>
    /// <param name="sql">A constant.</param>
    public static NpgsqlCommand CreateCommandFor(this NpgsqlDataSource database, Guid tenantId, string sql) =>
        database.CreateCommandFor([tenantId], sql);

    /// <summary>A command for rows of several tenants.</summary>
    public static NpgsqlCommand CreateCommandFor(this NpgsqlDataSource database, Guid[] tenantIds, string sql)
    {
#pragma warning disable CA2100 // Callers hand over constants.
        var command = database.CreateCommand(ActingFor(sql));
#pragma warning restore CA2100
        command.Parameters.AddTenants(tenantIds);
        return command;
    }

    /// <summary>Begins a transaction for rows of one tenant: its statements need not say it again.</summary>
    public static async Task<NpgsqlTransaction> BeginForAsync(
        this NpgsqlConnection connection,
        Guid tenantId,
        CancellationToken cancellationToken
    )
    {
        var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var act = new NpgsqlCommand(Act, connection);
        act.Parameters.AddTenants([tenantId]);
        await act.ExecuteNonQueryAsync(cancellationToken);
        return transaction;
    }

    /// <summary>The statement behind the one that says who acts; add <see cref="AddTenants"/>.</summary>
    internal static string ActingFor(string sql) => $"{Act};\n{sql}";

    /// <summary>Begins a batch that is one transaction, for rows of these tenants.</summary>
    internal static void ActFor(this NpgsqlBatch batch, Guid[] tenantIds)
    {
        var act = new NpgsqlBatchCommand(Act);
        act.Parameters.AddTenants(tenantIds);
        batch.BatchCommands.Add(act);
    }

    /// <summary>Who acts in a statement of <see cref="ActingFor"/>.</summary>
    internal static void AddTenants(this NpgsqlParameterCollection parameters, Guid[] tenantIds) =>
        parameters.AddWithValue("acting_tenants", NpgsqlDbType.Array | NpgsqlDbType.Uuid, tenantIds);
}
