using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Money;

/// <summary>The budgets of a tenant, and those that are about everybody: made, changed, ended and read. What calls take from them is in 0015c_calls.sql.</summary>
public sealed class BudgetStore(NpgsqlDataSource database, [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource allTenants)
{
    private const string Columns = """
        id, tenant_id, scope, subject, period, limit_usd, hard, thresholds,
        CASE WHEN window_at < budget_window(period, now()) THEN 0 ELSE settled_usd END, reserved_usd, budget_window(period, now()),
        budget_turn(period, now()), created_at, (SELECT slug FROM tenants t WHERE t.id = tenant_id),
        hard AND refused_at >= budget_window(period, now())
        """;

    private const string AddSql = $"""
        INSERT INTO budgets (id, tenant_id, scope, subject, path, period, limit_usd, hard, thresholds, window_at, set_by)
        VALUES (@id, @tenant_id, @scope, @subject,
                CASE @scope WHEN 0 THEN 'global' WHEN 1 THEN 'tenant:' || @tenant_id WHEN 2 THEN 'key:' || @tenant_id || ':' || @subject
                            WHEN 3 THEN 'user:' || @tenant_id || ':' || @subject ELSE 'feature:' || @tenant_id || ':' || @subject END,
                @period, @limit, @hard, @thresholds, budget_window(@period, now()), @set_by)
        ON CONFLICT (path, period) WHERE deleted_at IS NULL DO NOTHING
        RETURNING {Columns}
        """;

    // How much the next call will ask for is not known any more: one of those who wait goes on and finds out.
    private const string ChangeSql = $"""
        UPDATE budgets
           SET asked_usd = CASE WHEN @limit > limit_usd OR NOT @hard THEN 0 ELSE asked_usd END,
               given_usd = CASE WHEN @limit > limit_usd OR NOT @hard THEN 0 ELSE given_usd END,
               raised = raised OR @limit > limit_usd OR NOT @hard,
               limit_usd = @limit, hard = @hard, thresholds = @thresholds, set_by = @set_by
         WHERE id = @id AND (tenant_id = @tenant_id OR scope = 0) AND deleted_at IS NULL
        RETURNING {Columns}
        """;

    // The leader lets go on who waits for it, and removes it when no call holds anything of it.
    private const string EndSql = """
        UPDATE budgets SET deleted_at = now(), set_by = @set_by WHERE id = @id AND (tenant_id = @tenant_id OR scope = 0) AND deleted_at IS NULL
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM budgets
         WHERE (@tenant_id IS NULL OR tenant_id = @tenant_id OR scope = 0) AND deleted_at IS NULL AND (@id IS NULL OR id = @id) ORDER BY scope, tenant_id, subject, period
         LIMIT 1000
        """;

    /// <returns>Null when there is one of the same scope, subject and period.</returns>
    public async Task<Budget?> AddAsync(Budget budget, string setBy, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([budget.TenantId], AddSql, out var command);
        AddValues(command.Parameters, budget, setBy);
        command.Parameters.AddWithValue("scope", (short)budget.Scope);
        command.Parameters.AddWithValue("subject", budget.Subject);
        command.Parameters.AddWithValue("period", (short)budget.Period);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Sets limit, kind and thresholds.</summary>
    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<Budget?> ChangeAsync(Budget budget, string setBy, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([budget.TenantId], ChangeSql, out var command);
        AddValues(command.Parameters, budget, setBy);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>False when the tenant has none with this id.</returns>
    public async Task<bool> EndAsync(Guid tenantId, Guid id, string setBy, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], EndSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("set_by", setBy);
        return await batch.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <param name="tenantId">Whose; null is everybody's.</param>
    /// <param name="id">Only this one; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<Budget>> ListAsync(Guid? tenantId, Guid? id, CancellationToken cancellationToken)
    {
        await using var command = tenantId is { } one ? database.CreateCommandFor(one, ListSql) : allTenants.CreateCommand(ListSql);
        command.Parameters.AddWithValue("tenant_id", NpgsqlDbType.Uuid, (object?)tenantId ?? DBNull.Value);
        command.Parameters.AddWithValue("id", NpgsqlDbType.Uuid, (object?)id ?? DBNull.Value);
        return await ReadAsync(command, cancellationToken);
    }

    private static void AddValues(NpgsqlParameterCollection parameters, Budget budget, string setBy)
    {
        parameters.AddWithValue("id", budget.Id);
        parameters.AddWithValue("tenant_id", budget.TenantId);
        parameters.AddWithValue("limit", budget.LimitUsd);
        parameters.AddWithValue("hard", budget.Hard);
        parameters.AddWithValue("thresholds", NpgsqlDbType.Array | NpgsqlDbType.Smallint, budget.Thresholds.ToArray());
        parameters.AddWithValue("set_by", setBy);
    }

    private static async Task<IReadOnlyList<Budget>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static Budget Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            TenantId = row.GetGuid(1),
            Scope = (BudgetScope)row.GetInt16(2),
            Subject = row.GetString(3),
            Period = (BudgetPeriod)row.GetInt16(4),
            LimitUsd = row.GetDecimal(5),
            Hard = row.GetBoolean(6),
            Thresholds = row.GetFieldValue<short[]>(7),
            SettledUsd = row.GetDecimal(8),
            ReservedUsd = row.GetDecimal(9),
            WindowAt = row.GetFieldValue<DateTimeOffset>(10),
            TurnsAt = row.IsDBNull(11) ? null : row.GetFieldValue<DateTimeOffset>(11),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(12),
            Tenant = row.IsDBNull(13) ? null : row.GetString(13),
            IsRefusing = !row.IsDBNull(14) && row.GetBoolean(14),
        };
}
