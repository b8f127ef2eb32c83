using System.Runtime.CompilerServices;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Privacy;

/// <summary>A row of a tenant.</summary>
/// <param name="Table">Where it is.</param>
/// <param name="Json">What it says, without what opens doors.</param>
public readonly record struct ExportedRow(string Table, string Json);

/// <summary>Reads all that is stored of a tenant, a page at a time, so that neither memory nor a statement grows with it.</summary>
/// <remarks>
/// The tables are those of the catalogue (0036_privacy.sql), so that a new one is not forgotten. Jobs come oldest first, each with what
/// belongs to it. It is no snapshot: what changes meanwhile is there as it was before or as it is after.
/// </remarks>
public sealed class TenantExport([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    private const int PageRows = 100;

    // Of tables with bytes, such as files and kept answers, whose rows may have megabytes and are four times that as text here.
    private const int PageLargeRows = 4;

    // With their inputs, outputs and events, which may have megabytes each.
    private const int PageJobs = 5;

    private const string TablesSql = """
        SELECT name, by_job,
               EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(name) AND atttypid = 'bytea'::regtype AND NOT attisdropped)
          FROM tenant_tables() WHERE name NOT IN ('jobs', 'sessions', 'key_windows')
         UNION ALL SELECT 'audit_log', false, false
        """;

    private const string PageSql = "SELECT place::text, content::text FROM tenant_page(@table, @tenant_id, @jobs, @after, @limit)";

    /// <summary>Every row.</summary>
    public async IAsyncEnumerable<ExportedRow> ReadAsync(Guid tenantId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(TablesSql);
        var tables = await command.ReadAllAsync(
            row => (Name: row.GetString(0), ByJob: row.GetBoolean(1), Rows: row.GetBoolean(2) ? PageLargeRows : PageRows),
            cancellationToken
        );
        foreach (var (table, _, most) in tables.Where(table => !table.ByJob))
        {
            await foreach (var page in PagesAsync(table, tenantId, null, most, cancellationToken))
            {
                foreach (var (_, json) in page)
                {
                    yield return new(table, json);
                }
            }
        }

        await foreach (var page in PagesAsync("jobs", tenantId, null, PageJobs, cancellationToken))
        {
            foreach (var (_, json) in page)
            {
                yield return new("jobs", json);
            }

            Guid[] ids = [.. page.Select(job => Guid.Parse(job.Place[2..^2]))];
            foreach (var (table, _, most) in tables.Where(table => table.ByJob))
            {
                await foreach (var rows in PagesAsync(table, tenantId, ids, most, cancellationToken))
                {
                    foreach (var (_, json) in rows)
                    {
                        yield return new(table, json);
                    }
                }
            }
        }
    }

    private async IAsyncEnumerable<List<(string Place, string Json)>> PagesAsync(
        string table,
        Guid tenantId,
        Guid[]? jobs,
        int limit,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        string? after = null;
        while (true)
        {
            await using var command = database.CreateCommand(PageSql);
            command.Parameters.AddWithValue("table", table);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            command.Parameters.AddWithValue("jobs", NpgsqlDbType.Array | NpgsqlDbType.Uuid, (object?)jobs ?? DBNull.Value);
            command.Parameters.AddWithValue("after", NpgsqlDbType.Jsonb, (object?)after ?? DBNull.Value);
            command.Parameters.AddWithValue("limit", limit);
            var page = await command.ReadAllAsync(row => (row.GetString(0), row.GetString(1)), cancellationToken);
            if (page.Count > 0)
            {
                yield return page;
            }

            if (page.Count < limit)
            {
                yield break;
            }

            after = page[^1].Item1;
        }
    }
}
