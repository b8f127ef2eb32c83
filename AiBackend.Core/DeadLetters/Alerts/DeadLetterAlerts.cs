using AiBackend.Core.Alerts;
using AiBackend.Core.Database;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Every cause of dead letters is worth an alert, and so is that they are too many or too old.</summary>
internal sealed class DeadLetterAlerts(NpgsqlDataSource database, IOptions<AlertOptions> options) : IAlertSource
{
    private const string Sql = $"""
        WITH open AS MATERIALIZED (
            SELECT tenant_id, fingerprint, count(*) AS letters, min(at) AS oldest_at
              FROM dead_letters WHERE replayed_by IS NULL AND discarded_at IS NULL GROUP BY tenant_id, fingerprint
        )
        SELECT tenant_id, '{AlertRules.Cause}', fingerprint, letters FROM open WHERE fingerprint IS NOT NULL
        UNION ALL
        SELECT tenant_id, '{AlertRules.Depth}', 'open', sum(letters)::bigint FROM open GROUP BY tenant_id HAVING sum(letters) >= @depth
        UNION ALL
        SELECT tenant_id, '{AlertRules.Age}', 'oldest', extract(epoch FROM now() - min(oldest_at))::bigint
          FROM open GROUP BY tenant_id HAVING min(oldest_at) <= now() - @age
        """;

    public async Task<IReadOnlyList<AlertFinding>> FindAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("depth", (long)options.Value.AlertDepth);
        command.Parameters.AddWithValue("age", options.Value.AlertAge);
        return await command.ReadAllAsync(
            row => new AlertFinding(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt64(3))
            {
                Drifts = row.GetString(1) == AlertRules.Age,
            },
            cancellationToken
        );
    }
}
