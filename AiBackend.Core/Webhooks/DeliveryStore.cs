using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Webhooks;

/// <summary>Keeps messages to webhooks until they are delivered or given up. A message is tried at least once, whoever dies.</summary>
public sealed class DeliveryStore(NpgsqlDataSource database)
{
    private const string AddSql = """
        INSERT INTO webhook_deliveries (endpoint, id, tenant_id, type, about, body) VALUES (@endpoint, @id, @tenant_id, @type, @about, @body)
        ON CONFLICT DO NOTHING
        """;

    // A try that nobody ends, because its process died, is repeated when the time it may take is over.
    private const string TakeSql = """
        UPDATE webhook_deliveries d SET tries = d.tries + 1, next_at = now() + @longest
         WHERE d.endpoint = @endpoint
           AND d.id IN (SELECT id FROM webhook_deliveries
                         WHERE endpoint = @endpoint AND state = 0 AND next_at <= now() AND tries - earlier_tries < @most
                         ORDER BY next_at LIMIT @limit FOR UPDATE SKIP LOCKED)
        RETURNING d.id, d.body, d.tries, d.earlier_tries, d.url
        """;

    // Of another try than the latest, or one before somebody had it sent again, nobody wants to know, unless it was taken.
    private const string EndSql = """
        WITH ended AS (
            UPDATE webhook_deliveries
               SET state = @state, last_error = @error, next_at = now() + @delay, ended_at = CASE WHEN @state <> 0 THEN now() END
             WHERE endpoint = @endpoint AND id = @id AND state = 0 AND ((tries = @tries AND earlier_tries = @earlier) OR @state = 1)
        )
        INSERT INTO webhook_tries (endpoint, id, try, tenant_id, milliseconds, error)
        SELECT endpoint, id, @tries, tenant_id, @milliseconds, @error FROM webhook_deliveries WHERE endpoint = @endpoint AND id = @id
        ON CONFLICT DO NOTHING
        """;

    // Nobody waits longer for a message than the schedule lasts: what an endpoint was too slow for, or had no try while it was disabled.
    private const string GiveUpSql = """
        UPDATE webhook_deliveries SET state = 2, last_error = coalesce(last_error, 'lost'), ended_at = now()
         WHERE endpoint = @endpoint AND state = 0 AND tries - earlier_tries >= @most AND next_at <= now()
        """;

    private const string ExpireSql = """
        UPDATE webhook_deliveries SET state = 2, last_error = coalesce(last_error, 'expired'), ended_at = now()
         WHERE state = 0 AND next_at < now() - interval '1 day' AND created_at < now() - @longest
        """;

    // The message of an alert that holds, or did a moment ago, is what keeps it from being told again.
    private const string PruneSql = """
        WITH old AS (
            DELETE FROM webhook_deliveries d
             WHERE state <> 0 AND ended_at < now() - @keep
               AND NOT EXISTS (SELECT FROM alerts a WHERE a.id = d.id AND (a.resolved_at IS NULL OR a.resolved_at > now() - interval '2 hours'))
            RETURNING endpoint, id
        )
        DELETE FROM webhook_tries t USING old WHERE t.endpoint = old.endpoint AND t.id = old.id
        """;

    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(4);

    private static readonly TimeSpan Keep = TimeSpan.FromDays(30);

    /// <summary>Writes a message down, once, whoever does and however often.</summary>
    /// <param name="endpoint">Who gets it.</param>
    /// <param name="id">The same for the same message.</param>
    /// <param name="tenantId">Whose endpoint that is; nobody's for the operators'.</param>
    /// <param name="type">One of <see cref="WebhookEvents"/>.</param>
    /// <param name="about">The job or alert.</param>
    /// <param name="body">What is sent.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task AddAsync(
        string endpoint,
        Guid id,
        Guid tenantId,
        string type,
        Guid about,
        string body,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAuditedFor([tenantId], AddSql, out var command);
        command.Parameters.AddWithValue("endpoint", endpoint);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("type", type);
        command.Parameters.AddWithValue("about", about);
        command.Parameters.AddWithValue("body", body);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Begins the next try of those that are due.</summary>
    public async Task<IReadOnlyList<Delivery>> TakeAsync(string endpoint, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(TakeSql);
        command.Parameters.AddWithValue("endpoint", endpoint);
        command.Parameters.AddWithValue("longest", DeliverySchedule.LongestTry);
        command.Parameters.AddWithValue("most", (short)DeliverySchedule.Tries);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(
            row => new Delivery(row.GetGuid(0), row.GetString(1), row.GetInt16(2), row.GetInt16(3), row.Text(4)),
            cancellationToken
        );
    }

    /// <summary>Notes how a try ended.</summary>
    /// <param name="endpoint">Who got it.</param>
    /// <param name="delivery">The try.</param>
    /// <param name="state">What follows.</param>
    /// <param name="error">What was wrong; null when nothing was.</param>
    /// <param name="delay">Until the next try.</param>
    /// <param name="took">How long it took.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task EndAsync(
        string endpoint,
        Delivery delivery,
        DeliveryState state,
        string? error,
        TimeSpan delay,
        TimeSpan took,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(EndSql);
        command.Parameters.AddWithValue("endpoint", endpoint);
        command.Parameters.AddWithValue("id", delivery.Id);
        command.Parameters.AddWithValue("tries", (short)delivery.Try);
        command.Parameters.AddWithValue("earlier", (short)delivery.Earlier);
        command.Parameters.AddWithValue("state", (short)state);
        command.Parameters.AddWithValue("error", NpgsqlDbType.Text, (object?)error ?? DBNull.Value);
        command.Parameters.AddWithValue("delay", delay);
        command.Parameters.AddWithValue("milliseconds", (int)took.TotalMilliseconds);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Ends those whose last try nobody ended.</summary>
    public async Task GiveUpLostAsync(string endpoint, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(GiveUpSql);
        command.Parameters.AddWithValue("endpoint", endpoint);
        command.Parameters.AddWithValue("most", (short)DeliverySchedule.Tries);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Forgets what ended a month ago, and ends what waits for longer than the schedule lasts.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        await using var expire = database.CreateCommand(ExpireSql);
        expire.Parameters.AddWithValue("longest", LongestWait);
        await expire.ExecuteNonQueryAsync(cancellationToken);
        await using var command = database.CreateCommand(PruneSql);
        command.Parameters.AddWithValue("keep", Keep);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
