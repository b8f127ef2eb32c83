using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tenancy;

/// <summary>Makes, shows and changes organisations and their projects, which the rest of the code calls tenants.</summary>
public sealed class TenantAdministration(NpgsqlDataSource database, IOptions<TenancyOptions> options)
{
    private const string Columns = """
        t.id, t.slug, coalesce(t.name, t.slug), o.slug, t.organisation_id, t.tier, t.max_queued, t.created_at, t.disabled_at, t.content_days, t.reserved_slots,
        t.max_running
        """;

    // With a budget of its own from the first moment on.
    private const string AddSql = $$"""
        WITH t AS (
            INSERT INTO tenants (id, slug, name, tier, max_queued, max_running, reserved_slots, organisation_id)
            VALUES (@id, @slug, @name, @tier, @max_queued, @max_running, @reserved_slots, @organisation_id)
            ON CONFLICT (slug) DO NOTHING
            RETURNING *
        ), budget AS (
            INSERT INTO budgets (id, tenant_id, scope, subject, path, period, limit_usd, hard, thresholds, window_at, set_by)
            SELECT @budget_id, id, 1, '', 'tenant:' || id, 2, @usd, true, '{80,100}', budget_window(2::smallint, now()), 'default' FROM t WHERE @usd > 0
        )
        SELECT {{Columns}} FROM t JOIN organisations o ON o.id = t.organisation_id
        """;

    // Only what is asked for: whatever was read before may be another by now. The operators' own tenant cannot be disabled: nobody could enable it again.
    private const string ChangeSql = $"""
        WITH t AS (
            UPDATE tenants SET name = coalesce(@name, name), tier = coalesce(@tier, tier),
                   max_queued = CASE WHEN @limits THEN @max_queued ELSE max_queued END,
                   max_running = CASE WHEN @runs THEN @max_running ELSE max_running END,
                   reserved_slots = coalesce(@reserved_slots, reserved_slots),
                   content_days = CASE WHEN @keeps THEN @content_days ELSE content_days END,
                   disabled_at = CASE WHEN @disabled IS NULL THEN disabled_at WHEN @disabled THEN coalesce(disabled_at, now()) END
             WHERE id = @id AND deletion_at IS NULL AND (@disabled IS NOT TRUE OR id <> '00000000-0000-7000-8000-000000000001')
            RETURNING *
        )
        SELECT {Columns} FROM t JOIN organisations o ON o.id = t.organisation_id
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM tenants t JOIN organisations o ON o.id = t.organisation_id
         WHERE (@organisation_id IS NULL OR t.organisation_id = @organisation_id) AND (@slug IS NULL OR t.slug = @slug) AND t.deletion_at IS NULL
         ORDER BY o.slug, t.slug LIMIT 10000
        """;

    private const string AddOrganisationSql = """
        INSERT INTO organisations (id, slug, name) VALUES (@id, @slug, @name) ON CONFLICT (slug) DO NOTHING
        RETURNING id, slug, name, created_at, 0::bigint
        """;

    private const string ListOrganisationsSql = """
        SELECT o.id, o.slug, o.name, o.created_at, (SELECT count(*) FROM tenants t WHERE t.organisation_id = o.id AND t.deletion_at IS NULL)
          FROM organisations o
         WHERE (@id IS NULL OR o.id = @id) AND (@slug IS NULL OR o.slug = @slug)
         ORDER BY o.slug LIMIT 10000
        """;

    /// <returns>Null when there is a tenant of this slug.</returns>
    public async Task<TenantRecord?> AddAsync(TenantRecord wanted, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([wanted.Id], AddSql, out var command);
        AddValues(command.Parameters, wanted);
        command.Parameters.AddWithValue("budget_id", Guid.CreateVersion7());
        command.Parameters.AddWithValue("usd", options.Value.NewTenantUsdPerDay ?? 0);
        command.Parameters.AddWithValue("slug", wanted.Slug);
        command.Parameters.AddWithValue("organisation_id", wanted.OrganisationId);
        return (await batch.ReadAllAsync(ReadTenant, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Sets what differs of name, tier, what may wait and run, what is kept free, how long jobs are kept, and whether it is disabled.</summary>
    /// <returns>Null when there is no such tenant, it is being deleted, or it may not be disabled.</returns>
    public async Task<TenantRecord?> ChangeAsync(TenantRecord was, TenantRecord wanted, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(ChangeSql, out var command);
        var parameters = command.Parameters;
        bool? disabled = (wanted.DisabledAt is null) == (was.DisabledAt is null) ? null : wanted.DisabledAt is not null;
        parameters.AddWithValue("id", was.Id);
        parameters.AddWithValue("name", NpgsqlDbType.Text, wanted.Name == was.Name ? DBNull.Value : wanted.Name);
        parameters.AddWithValue("tier", NpgsqlDbType.Text, wanted.Tier == was.Tier ? DBNull.Value : wanted.Tier);
        parameters.AddWithValue("limits", wanted.MaxQueued != was.MaxQueued);
        parameters.AddWithValue("max_queued", NpgsqlDbType.Bigint, (object?)wanted.MaxQueued ?? DBNull.Value);
        parameters.AddWithValue("runs", wanted.MaxRunning != was.MaxRunning);
        parameters.AddWithValue("max_running", NpgsqlDbType.Bigint, (object?)wanted.MaxRunning ?? DBNull.Value);
        parameters.AddWithValue(
            "reserved_slots",
            NpgsqlDbType.Integer,
            wanted.ReservedSlots == was.ReservedSlots ? DBNull.Value : wanted.ReservedSlots
        );
        parameters.AddWithValue("keeps", wanted.ContentDays != was.ContentDays);
        parameters.AddWithValue("content_days", NpgsqlDbType.Integer, (object?)wanted.ContentDays ?? DBNull.Value);
        parameters.AddWithValue("disabled", NpgsqlDbType.Boolean, (object?)disabled ?? DBNull.Value);
        return (await batch.ReadAllAsync(ReadTenant, cancellationToken)).SingleOrDefault();
    }

    /// <param name="organisationId">Only of this organisation; null is all.</param>
    /// <param name="slug">Only this one; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<TenantRecord>> ListAsync(Guid? organisationId, string? slug, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListSql);
        command.Parameters.AddWithValue("organisation_id", NpgsqlDbType.Uuid, (object?)organisationId ?? DBNull.Value);
        command.Parameters.AddWithValue("slug", NpgsqlDbType.Text, (object?)slug ?? DBNull.Value);
        return await command.ReadAllAsync(ReadTenant, cancellationToken);
    }

    /// <returns>Null when there is an organisation of this slug.</returns>
    public async Task<OrganisationRecord?> AddOrganisationAsync(string slug, string name, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(AddOrganisationSql, out var command);
        command.Parameters.AddWithValue("id", Guid.CreateVersion7());
        command.Parameters.AddWithValue("slug", slug);
        command.Parameters.AddWithValue("name", name);
        return (await batch.ReadAllAsync(ReadOrganisation, cancellationToken)).SingleOrDefault();
    }

    /// <param name="id">Only this one; null is all.</param>
    /// <param name="slug">Only this one; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<OrganisationRecord>> ListOrganisationsAsync(Guid? id, string? slug, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListOrganisationsSql);
        command.Parameters.AddWithValue("id", NpgsqlDbType.Uuid, (object?)id ?? DBNull.Value);
        command.Parameters.AddWithValue("slug", NpgsqlDbType.Text, (object?)slug ?? DBNull.Value);
        return await command.ReadAllAsync(ReadOrganisation, cancellationToken);
    }

    private static void AddValues(NpgsqlParameterCollection parameters, TenantRecord tenant)
    {
        parameters.AddWithValue("id", tenant.Id);
        parameters.AddWithValue("name", tenant.Name);
        parameters.AddWithValue("tier", tenant.Tier);
        parameters.AddWithValue("max_queued", NpgsqlDbType.Bigint, (object?)tenant.MaxQueued ?? DBNull.Value);
        parameters.AddWithValue("max_running", NpgsqlDbType.Bigint, (object?)tenant.MaxRunning ?? DBNull.Value);
        parameters.AddWithValue("reserved_slots", tenant.ReservedSlots);
    }

    private static OrganisationRecord ReadOrganisation(NpgsqlDataReader row) =>
        new(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3), row.GetInt64(4));

    private static TenantRecord ReadTenant(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            Slug = row.GetString(1),
            Name = row.GetString(2),
            Organisation = row.GetString(3),
            OrganisationId = row.GetGuid(4),
            Tier = row.GetString(5),
            MaxQueued = row.IsDBNull(6) ? null : row.GetInt64(6),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(7),
            DisabledAt = row.Moment(8),
            ContentDays = row.IsDBNull(9) ? null : row.GetInt32(9),
            ReservedSlots = row.GetInt32(10),
            MaxRunning = row.IsDBNull(11) ? null : row.GetInt64(11),
        };
}
