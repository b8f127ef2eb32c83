using System.Globalization;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Alerts;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Webhooks;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Shows alerts and takes note of who has seen them. Every call names its tenant, which also sees what concerns everyone.</summary>
public sealed class AlertReads(NpgsqlDataSource database)
{
    private const int MaxListed = 100;

    private const string Columns = """
        SELECT a.id, a.rule, a.cause, a.value, a.raised_at, a.acknowledged_at, a.acknowledged_by, a.resolved_at, g.code, g.shape, a.message, w.state
          FROM alerts a LEFT JOIN dead_letter_groups g ON g.tenant_id = a.tenant_id AND g.fingerprint = a.cause
          LEFT JOIN webhook_deliveries w ON w.endpoint = @endpoint AND w.id = a.id
        """;

    private const string ListSql =
        Columns
        + """
             WHERE a.tenant_id IN (@tenant_id, @everyone) AND (@resolved IS NULL OR (a.resolved_at IS NOT NULL) = @resolved)
             ORDER BY a.raised_at DESC, a.id DESC LIMIT @limit
            """;

    private const string OneSql = Columns + " WHERE a.tenant_id = ANY (@tenants) AND a.id = @id";

    private const string AcknowledgeSql = """
        UPDATE alerts SET acknowledged_at = now(), acknowledged_by = @key_id
         WHERE tenant_id = ANY (@tenants) AND id = @id AND acknowledged_at IS NULL AND resolved_at IS NULL
        """;

    /// <param name="tenantId">Whose alerts.</param>
    /// <param name="resolved">Only those that are over, or only those that are not; null is both.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Newest first, at most 100.</returns>
    public async Task<IReadOnlyList<Alert>> ListAsync(Guid tenantId, bool? resolved, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor([tenantId, AlertFinding.Everyone], ListSql);
        command.Parameters.AddWithValue("endpoint", TellAlerts.Endpoint);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("everyone", AlertFinding.Everyone);
        command.Parameters.AddWithValue("resolved", NpgsqlDbType.Boolean, (object?)resolved ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", MaxListed);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>Notes that somebody has seen an active alert. The first one counts.</summary>
    /// <param name="tenantId">Whose alert.</param>
    /// <param name="ofEveryone">Whether it may also be one that concerns everyone: for operators.</param>
    /// <param name="id">Which.</param>
    /// <param name="keyId">Public id of the API key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The alert as it is now; null when there is none with this id that may be acknowledged.</returns>
    public async Task<Alert?> AcknowledgeAsync(Guid tenantId, bool ofEveryone, Guid id, string keyId, CancellationToken cancellationToken)
    {
        Guid[] tenants = ofEveryone ? [tenantId, AlertFinding.Everyone] : [tenantId];
        await using var batch = database.CreateAuditedFor(tenants, AcknowledgeSql, out var update);
        update.Parameters.AddWithValue("tenants", tenants);
        update.Parameters.AddWithValue("id", id);
        update.Parameters.AddWithValue("key_id", keyId);
        await batch.ExecuteNonQueryAsync(cancellationToken);

        return await FindAsync(tenants, id, cancellationToken);
    }

    /// <returns>Null when there is no such alert.</returns>
    public Task<Alert?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken) =>
        FindAsync([tenantId], id, cancellationToken);

    private async Task<Alert?> FindAsync(Guid[] tenants, Guid id, CancellationToken cancellationToken)
    {
        await using var find = database.CreateCommandFor([.. tenants, AlertFinding.Everyone], OneSql);
        find.Parameters.AddWithValue("endpoint", TellAlerts.Endpoint);
        find.Parameters.AddWithValue("tenants", tenants);
        find.Parameters.AddWithValue("id", id);
        return await find.ReadAllAsync(Read, cancellationToken) is [var alert] ? alert : null;
    }

    private static Alert Read(NpgsqlDataReader row)
    {
        var (rule, value) = (row.GetString(1), row.GetInt64(3));
        return new Alert
        {
            Id = row.GetGuid(0),
            Rule = rule,
            Fingerprint = rule == AlertRules.Cause ? row.GetString(2) : null,
            Message =
                row.Text(10)
                ?? rule switch
                {
                    AlertRules.Cause => $"Jobs fail for good with {row.Text(8)}: {ErrorShape.ForPeople(row.Text(9) ?? "")}",
                    AlertRules.Depth => string.Create(CultureInfo.InvariantCulture, $"{value} dead letters are open."),
                    AlertRules.Age => $"The oldest open dead letter has waited for {Span(TimeSpan.FromSeconds(value))}.",
                    _ => rule,
                },
            Value = value,
            RaisedAt = row.GetFieldValue<DateTimeOffset>(4),
            AcknowledgedAt = row.Moment(5),
            AcknowledgedBy = row.Text(6),
            ResolvedAt = row.Moment(7),
            Webhook = row.IsDBNull(11)
                ? null
                : (DeliveryState)row.GetInt16(11) switch
                {
                    DeliveryState.Waiting => "waiting",
                    DeliveryState.Delivered => "delivered",
                    _ => "given_up",
                },
        };
    }

    private static string Span(TimeSpan age) =>
        age switch
        {
            { TotalDays: >= 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalDays} days"),
            { TotalHours: >= 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalHours} hours"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalMinutes} minutes"),
        };
}
