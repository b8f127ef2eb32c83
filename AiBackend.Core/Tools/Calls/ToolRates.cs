using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Tools.Calls;

/// <summary>Holds tools to their calls a minute, over all workers. Tools without such a limit cost nothing.</summary>
/// <remarks>
/// Counted in Postgres by minutes of the clock, as keys are (0025c_key_limits.sql): in none of them more calls begin than the limit. What was
/// taken by a worker that died before it called is lost until the minute is over.
/// </remarks>
public sealed class ToolRates(NpgsqlDataSource database)
{
    // Beside the kinds of KeyLimitKind, under a name that is no key's. Stored; never renumber.
    private const short Kind = 2;

    private const string TakeSql = "SELECT granted, ends_in FROM take_key_allowance(@tenant_id, @name, @kind, 1, 1, @limit)";

    /// <summary>Takes one call of the minute.</summary>
    /// <returns>Null when it may be made; else how long until the next minute.</returns>
    public async Task<TimeSpan?> TakeAsync(Guid tenantId, string tool, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, TakeSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", $"tool/{tenantId}/{tool}");
        command.Parameters.AddWithValue("kind", Kind);
        command.Parameters.AddWithValue("limit", (long)limit);
        var (granted, endsIn) = (await command.ReadAllAsync(row => (row.GetInt64(0), row.GetTimeSpan(1)), cancellationToken))[0];
        return granted == 1 ? null : endsIn;
    }
}
