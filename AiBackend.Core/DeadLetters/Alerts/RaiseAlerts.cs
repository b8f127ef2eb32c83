using AiBackend.Core.Alerts;
using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Raises an alert for everything that a source finds: the leader's part.</summary>
/// <remarks>
/// One alert a cause and not one a job: while it is active, further jobs only raise its count. It is over when the rule has not
/// held for a while, so that a replay that fails again is not another alert. Two leaders raise one alert: the index decides.
/// </remarks>
public sealed class RaiseAlerts(
    NpgsqlDataSource database,
    IEnumerable<IAlertSource> sources,
    IOptions<AlertOptions> options,
    AlertMetrics metrics,
    ILogger<RaiseAlerts> logger
)
{
    private const string RaiseSql = """
        INSERT INTO alerts AS a (tenant_id, rule, cause, value, message)
        SELECT tenant_id, rule, cause, value, message
          FROM unnest(@tenant_id, @rule, @cause, @value, @message) AS f (tenant_id, rule, cause, value, message)
         ORDER BY tenant_id, rule, cause
        ON CONFLICT (tenant_id, rule, cause) WHERE resolved_at IS NULL
        DO UPDATE SET value = excluded.value, message = excluded.message, firing_at = now()
         WHERE a.firing_at < now() - interval '30 seconds' OR a.rule <> ALL (@drifting) AND a.value <> excluded.value
        RETURNING a.tenant_id, a.rule, a.cause, a.value, a.xmax = 0 AS is_new
        """;

    private const string ResolveSql = "UPDATE alerts SET resolved_at = now() WHERE resolved_at IS NULL AND firing_at < now() - @quiet";

    private const string ActiveSql = "SELECT rule, count(*) FROM alerts WHERE resolved_at IS NULL GROUP BY rule";

    /// <returns>How many alerts were raised now.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var findings = new List<AlertFinding>();
        foreach (var source in sources)
        {
            findings.AddRange(await source.FindAsync(cancellationToken));
        }

        // Raised first: what held all the time while nobody led has to say so before the quiet ones are told apart.
        var raised = await RaiseAsync(findings, cancellationToken);
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

    private async Task<IReadOnlyList<AlertFinding>> RaiseAsync(List<AlertFinding> findings, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(RaiseSql);
        command.Parameters.AddColumn("tenant_id", NpgsqlDbType.Uuid, findings, finding => finding.TenantId);
        command.Parameters.AddColumn("rule", NpgsqlDbType.Text, findings, finding => finding.Rule);
        command.Parameters.AddColumn("cause", NpgsqlDbType.Text, findings, finding => finding.Cause);
        command.Parameters.AddColumn("value", NpgsqlDbType.Bigint, findings, finding => finding.Value);
        command.Parameters.AddColumn("message", NpgsqlDbType.Text, findings, finding => finding.Message);
        var drifting = findings.Where(finding => finding.Drifts).Select(finding => finding.Rule).Distinct(StringComparer.Ordinal).ToList();
        command.Parameters.AddColumn("drifting", NpgsqlDbType.Text, drifting, rule => rule);
        var told = await command.ReadAllAsync(
            row => (new AlertFinding(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt64(3)), IsNew: row.GetBoolean(4)),
            cancellationToken
        );
        return [.. told.Where(each => each.IsNew).Select(each => each.Item1)];
    }
}
