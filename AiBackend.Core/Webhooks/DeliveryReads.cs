using System.Globalization;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Webhooks;

/// <summary>Shows what was sent to an endpoint, and has it sent again. Every call names its tenant.</summary>
public sealed class DeliveryReads(NpgsqlDataSource database)
{
    private const string ListSql = """
        SELECT d.id, d.type, d.about, d.state, d.tries, d.created_at, CASE WHEN d.state = 0 THEN d.next_at END, d.ended_at,
               t.tries, t.times, t.milliseconds, t.errors
          FROM webhook_deliveries d
         CROSS JOIN LATERAL (SELECT array_agg(try ORDER BY try) AS tries, array_agg(at ORDER BY try) AS times,
                                    array_agg(milliseconds ORDER BY try) AS milliseconds, array_agg(coalesce(error, '') ORDER BY try) AS errors
                               FROM webhook_tries WHERE endpoint = d.endpoint AND id = d.id) t
         WHERE d.tenant_id = @tenant_id AND d.endpoint = @endpoint AND (@state IS NULL OR d.state = @state) AND (@id IS NULL OR d.id = @id)
           AND (@before IS NULL OR (d.created_at, d.id) < (SELECT b.created_at, b.id FROM webhook_deliveries b
                                                            WHERE b.tenant_id = @tenant_id AND b.endpoint = @endpoint AND b.id = @before))
         ORDER BY d.created_at DESC, d.id DESC LIMIT @limit
        """;

    private const string ResendSql = """
        UPDATE webhook_deliveries SET state = 0, earlier_tries = tries, next_at = now(), ended_at = NULL
         WHERE tenant_id = @tenant_id AND endpoint = @endpoint AND id = @id
        """;

    /// <param name="tenantId">Whose endpoint.</param>
    /// <param name="endpoint">Which.</param>
    /// <param name="state">Only those that stand so.</param>
    /// <param name="before">Only those older than this one.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Newest first.</returns>
    public Task<IReadOnlyList<WebhookDelivery>> ListAsync(
        Guid tenantId,
        Guid endpoint,
        DeliveryState? state,
        Guid? before,
        int limit,
        CancellationToken cancellationToken
    ) => ReadAsync(tenantId, endpoint, state, before, null, limit, cancellationToken);

    /// <summary>Has a message sent once more, with the same id, and tried as if it were new.</summary>
    /// <returns>Null when there is none.</returns>
    public async Task<WebhookDelivery?> ResendAsync(Guid tenantId, Guid endpoint, Guid id, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], ResendSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("endpoint", WebhookEndpoint.NameOf(endpoint));
        command.Parameters.AddWithValue("id", id);
        await batch.ExecuteNonQueryAsync(cancellationToken);
        return await FindAsync(tenantId, endpoint, id, cancellationToken);
    }

    /// <returns>Null when there is none.</returns>
    public async Task<WebhookDelivery?> FindAsync(Guid tenantId, Guid endpoint, Guid id, CancellationToken cancellationToken) =>
        (await ReadAsync(tenantId, endpoint, null, null, id, 1, cancellationToken)).SingleOrDefault();

    private async Task<IReadOnlyList<WebhookDelivery>> ReadAsync(
        Guid tenantId,
        Guid endpoint,
        DeliveryState? state,
        Guid? before,
        Guid? id,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("endpoint", WebhookEndpoint.NameOf(endpoint));
        command.Parameters.AddWithValue("state", NpgsqlDbType.Smallint, state is { } wanted ? (short)wanted : DBNull.Value);
        command.Parameters.AddWithValue("before", NpgsqlDbType.Uuid, (object?)before ?? DBNull.Value);
        command.Parameters.AddWithValue("id", NpgsqlDbType.Uuid, (object?)id ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static WebhookDelivery Read(NpgsqlDataReader row) =>
        new()
        {
            Id = Delivery.NameOf(row.GetGuid(0)),
            Type = row.Text(1) ?? "",
            About = row.Id(2),
            State = (DeliveryState)row.GetInt16(3) switch
            {
                DeliveryState.Waiting => "waiting",
                DeliveryState.Delivered => "delivered",
                _ => "given_up",
            },
            Tries = row.GetInt16(4),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(5),
            NextTryAt = row.Moment(6),
            EndedAt = row.Moment(7),
            Attempts = row.IsDBNull(8) ? [] : Attempts(row),
        };

    private static WebhookAttempt[] Attempts(NpgsqlDataReader row)
    {
        var (numbers, times) = (row.GetFieldValue<short[]>(8), row.GetFieldValue<DateTimeOffset[]>(9));
        var (milliseconds, errors) = (row.GetFieldValue<int[]>(10), row.GetFieldValue<string[]>(11));
        return
        [
            .. numbers.Select(
                (number, i) => new WebhookAttempt(number, times[i], milliseconds[i] / 1000.0, StatusOf(errors[i]), NullIfEmpty(errors[i]))
            ),
        ];
    }

    private static int? StatusOf(string error) =>
        error.StartsWith("status ", StringComparison.Ordinal)
            ? int.Parse(error.AsSpan(7), NumberStyles.None, CultureInfo.InvariantCulture)
            : null;

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
