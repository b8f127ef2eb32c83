using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Api;

// What is there before and after.
public sealed partial class SqlCorpusTests
{
    /// <summary>The text without what means something to Postgres, and as long.</summary>
    private static string Harmless(string text) => Meaningful().Replace(text, "^");

    /// <summary>The name of a file has no backslash and no quotes, whatever is around them.</summary>
    private static string HarmlessFor(StringInput input, string text) =>
        input.Place is ["artifact", "name"]
            ? string.Concat(text.Select(letter => letter is '\\' or '"' ? $"{letter}" : Harmless($"{letter}")))
            : Harmless(text);

    /// <summary>How many rows there are, but of what is noted of every request.</summary>
    private async Task<Dictionary<string, long>> CountsAsync()
    {
        var tables = (await TablesAsync("true")).Except(["audit_log", "kept_answers", "idempotency_keys"]);
        var all = string.Join(" UNION ALL ", tables.Select(table => $"SELECT '{table}', count(*) FROM {table}"));
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
#pragma warning disable CA2100 // Names of the schema.
        await using var command = api.Db.Source.CreateCommand(all);
#pragma warning restore CA2100
        await using var rows = await command.ExecuteReaderAsync(TestRun.Cancel);
        while (await rows.ReadAsync(TestRun.Cancel))
        {
            counts.Add(rows.GetString(0), rows.GetInt64(1));
        }

        return counts;
    }

    /// <summary>Of what a tenant may have few of, only what was planted is left, and what goes on ends.</summary>
    private async Task MakeRoomAsync(DocumentedOperation operation, Dictionary<string, string> planted)
    {
        if (operation.Method is "GET" || !OfFew().IsMatch(operation.Path))
        {
            return;
        }

        const string Others = "WHERE tenant_id = $1 AND id <> $2";
        var tenant = await PlantedTenant.IdAsync(api, api.Key);
        foreach (
            var (change, address) in ((string, string)[])
                [
                    ($"DELETE FROM webhook_endpoints {Others}", "/webhooks"),
                    ($"DELETE FROM webhook_sources {Others}", "/webhooks/inbound"),
                    ($"UPDATE bulk_actions SET status = 1, finished_at = now() {Others}", "/bulk"),
                ]
        )
        {
            await PlantedTenant.ScalarAsync<long>(
                api,
                $"WITH others AS ({change} RETURNING 1) SELECT count(*) FROM others",
                tenant,
                Guid.Parse(planted[address])
            );
        }
    }

    /// <summary>All that a tenant has, but when its key was used and who looks after its batches.</summary>
    private async Task<string> RowsOfAsync(string key)
    {
        var tables = await TablesAsync(
            "EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)"
        );
        var tenant = await PlantedTenant.IdAsync(api, key);
        var all = string.Join(
            " || ",
            tables
                .Where(table => table is not ("api_keys" or "audit_log" or "batches"))
                .Select(table =>
                    $"(SELECT '{table} ' || count(*) || ' ' || coalesce(sum(hashtextextended({table}::text, 0)), 0) || E'\\n' FROM {table} WHERE tenant_id = $1)"
                )
        );
        return await PlantedTenant.ScalarAsync<string>(api, "SELECT " + all, tenant);
    }

    private async Task<List<string>> TablesAsync(string which)
    {
        var names = await PlantedTenant.ScalarAsync<string[]>(
            api,
            $"""
            SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND {which}
            """
        );
        return [.. names];
    }

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", RegexOptions.None, 1000)]
    private static partial Regex AnyId();

    [GeneratedRegex("^/api/v1/(webhooks|dead-letters)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex OfFew();
}
