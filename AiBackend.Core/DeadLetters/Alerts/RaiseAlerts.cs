using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Raises an alert for every cause of dead letters, and when they are too many or too old: the leader's part.</summary>
/// <remarks>
/// One alert a cause and not one a job: while it is active, further jobs only raise its count. It is over when the rule has not
/// held for a while, so that a replay that fails again is not another alert. Two leaders raise one alert: the index decides.
/// </remarks>
public sealed class RaiseAlerts(
    NpgsqlDataSource database,
    IOptions<AlertOptions> options,
    AlertMetrics metrics,
    ILogger<RaiseAlerts> logger
)
{
    // An age grows every second; writing it down every half minute is enough.
    private const string RaiseSql = $"""
        WITH open AS MATERIALIZED (
            SELECT tenant_id, fingerprint, count(*) AS letters, min(at) AS oldest_at
              FROM dead_letters WHERE replayed_by IS NULL AND discarded_at IS NULL GROUP BY tenant_id, fingerprint
        ), firing AS (
            SELECT tenant_id, '{AlertRules.Cause}' AS rule, fingerprint AS cause, letters AS value FROM open WHERE fingerprint IS NOT NULL
            UNION ALL
            SELECT tenant_id, '{AlertRules.Depth}', 'open', sum(letters)::bigint FROM open GROUP BY tenant_id HAVING sum(letters) >= @depth
            UNION ALL
            SELECT tenant_id, '{AlertRules.Age}', 'oldest', extract(epoch FROM now() - min(oldest_at))::bigint
              FROM open GROUP BY tenant_id HAVING min(oldest_at) <= now() - @age
        ), raised AS (
            INSERT INTO alerts AS a (tenant_id, rule, cause, value)
            SELECT tenant_id, rule, cause, value FROM firing ORDER BY tenant_id, rule, cause
            ON CONFLICT (tenant_id, rule, cause) WHERE resolved_at IS NULL
            DO UPDATE SET value = excluded.value, firing_at = now()
             WHERE a.firing_at < now() - interval '30 seconds' OR a.rule <> '{AlertRules.Age}' AND a.value <> excluded.value
            RETURNING a.tenant_id, a.rule, a.cause, a.value, a.xmax = 0 AS is_new
        )
        SELECT tenant_id, rule, cause, value FROM raised WHERE is_new
        """;

    private const string ResolveSql = "UPDATE alerts SET resolved_at = now() WHERE resolved_at IS NULL AND firing_at < now() - @quiet";

    private const string ActiveSql = "SELECT rule, count(*) FROM alerts WHERE resolved_at IS NULL GROUP BY rule";

    /// <returns>How many alerts were raised now.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Raised first: what held all the time while nobody led has to say so before the quiet ones are told apart.
        var raised = await RaiseAsync(cancellationToken);
        foreach (var alert in raised)
        {
            metrics.Raised(alert.Rule);
            logger.AlertRaised(alert.Rule, alert.Cause, alert.Value, alert.TenantId);
        }

        await using var resolve = database.CreateCommand(ResolveSql);
        resolve.Parameters.AddWithValue("quiet", options.Value.AlertQuiet);
        await resolve.ExecuteNonQueryAsync(cancellationToken);

        await using var active = database.CreateCommand(ActiveSql);
        metrics.SetActive(await active.ReadAllAsync(row => (row.GetString(0), row.GetInt64(1)), cancellationToken));
        return raised.Count;
    }

    private async Task<IReadOnlyList<(Guid TenantId, string Rule, string Cause, long Value)>> RaiseAsync(
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(RaiseSql);
        command.Parameters.AddWithValue("depth", (long)options.Value.AlertDepth);
        command.Parameters.AddWithValue("age", options.Value.AlertAge);
        return await command.ReadAllAsync(row => (row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt64(3)), cancellationToken);
    }
}
