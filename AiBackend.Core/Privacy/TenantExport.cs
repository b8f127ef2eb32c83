using System.Runtime.CompilerServices;
using AiBackend.Core.Database;
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
/// belongs to it. It is no snapshot: what changes meanwhile is there as it was before or as it is after. The connection goes back after
/// each page, and comes from the ordinary pool: the few of the other are for everybody's keys.
/// </remarks>
public sealed class TenantExport(NpgsqlDataSource database)
{
    private const int PageRows = 100;

    // Of tables with bytes, such as files and kept answers, whose rows may have megabytes and are four times that as text here.
    private const int PageLargeRows = 4;

    // With their inputs, outputs and events, which may have megabytes each.
    private const int PageJobs = 5;

    // A page ends with the row that is beyond.
    private const long PageBytes = 4 << 20;

    private const string OwnSql = "SELECT to_jsonb(t)::text FROM tenants t WHERE id = @tenant_id";

    private const string TablesSql = """
        SELECT name, by_job,
               EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(name) AND atttypid = 'bytea'::regtype AND NOT attisdropped)
          FROM tenant_tables() WHERE name NOT IN ('jobs', 'sessions', 'key_windows')
         UNION ALL SELECT 'audit_log', false, false
        """;

    private const string PageSql = """
        SELECT place::text, content, is_last FROM tenant_slice(@table, @tenant_id, @jobs, @after, @limit, @bytes)
        """;

    /// <summary>Every row.</summary>
    public async IAsyncEnumerable<ExportedRow> ReadAsync(Guid tenantId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var json in await ReadOwnAsync(tenantId, cancellationToken))
        {
            yield return new("tenants", json);
        }

        await using var command = database.CreateCommand(TablesSql);
        var tables = await command.ReadAllAsync(
            row => (Name: row.GetString(0), ByJob: row.GetBoolean(1), Rows: row.GetBoolean(2) ? PageLargeRows : PageRows),
            cancellationToken
        );
        // Calls of no job are no job's.
        foreach (var (table, _, most) in tables.Where(table => !table.ByJob || table.Name == "provider_calls"))
        {
            await foreach (var page in PagesAsync(table, tenantId, null, most, cancellationToken))
            {
                foreach (var (_, json, _) in page)
                {
                    yield return new(table, json);
                }
            }
        }

        await foreach (var page in PagesAsync("jobs", tenantId, null, PageJobs, cancellationToken))
        {
            foreach (var (_, json, _) in page)
            {
                yield return new("jobs", json);
            }

            Guid[] ids = [.. page.Select(job => Guid.Parse(job.Place[2..^2]))];
            foreach (var (table, _, most) in tables.Where(table => table.ByJob))
            {
                await foreach (var rows in PagesAsync(table, tenantId, ids, most, cancellationToken))
                {
                    foreach (var (_, json, _) in rows)
                    {
                        yield return new(table, json);
                    }
                }
            }
        }
    }

    private async Task<List<string>> ReadOwnAsync(Guid tenantId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OwnSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(row => row.GetString(0), cancellationToken);
    }

    private async IAsyncEnumerable<List<(string Place, string Json, bool IsLast)>> PagesAsync(
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
            await using var command = database.CreateCommandFor(tenantId, PageSql);
            command.Parameters.AddWithValue("table", table);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            command.Parameters.AddWithValue("jobs", NpgsqlDbType.Array | NpgsqlDbType.Uuid, (object?)jobs ?? DBNull.Value);
            command.Parameters.AddWithValue("after", NpgsqlDbType.Jsonb, (object?)after ?? DBNull.Value);
            command.Parameters.AddWithValue("limit", limit);
            command.Parameters.AddWithValue("bytes", PageBytes);
            var page = await command.ReadAllAsync(row => (row.GetString(0), row.GetString(1), row.GetBoolean(2)), cancellationToken);
            if (page.Count > 0)
            {
                yield return page;
            }

            if (page.Count == 0 || page[^1].Item3)
            {
                yield break;
            }

            after = page[^1].Item1;
        }
    }
}
