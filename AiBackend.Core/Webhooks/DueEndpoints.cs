using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Webhooks;

/// <summary>Endpoints of all tenants as their sender sees them: who has something due, and how they fare.</summary>
public sealed class DueEndpoints(NpgsqlDataSource database, WebhookSeal seal)
{
    private const string DueSql = """
        SELECT e.id, e.url, e.secret, CASE WHEN e.old_until > now() THEN e.old_secret END, e.failing_since IS NOT NULL
          FROM webhook_endpoints e
         CROSS JOIN LATERAL (SELECT next_at FROM webhook_deliveries d
                              WHERE d.endpoint = replace(e.id::text, '-', '') AND d.state = 0 AND d.next_at <= now()
                              ORDER BY next_at LIMIT 1) d
         WHERE e.enabled AND NOT e.id = ANY (@busy)
         ORDER BY d.next_at LIMIT @limit
        """;

    private const string WellSql = "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = @id AND failing_since IS NOT NULL";

    private const string IllSql = """
        UPDATE webhook_endpoints
           SET failing_since = coalesce(failing_since, now()),
               enabled = failing_since IS NULL OR failing_since > now() - @longest,
               disabled_for = CASE WHEN failing_since <= now() - @longest THEN 'failing' END
         WHERE id = @id AND enabled AND (failing_since IS NULL OR failing_since <= now() - @longest)
        """;

    private const string GoneSql = "UPDATE webhook_endpoints SET enabled = false, disabled_for = 'gone' WHERE id = @id AND enabled";

    /// <summary>Longer than any message is tried: an endpoint that took nothing for so long is not coming back by itself.</summary>
    private static readonly TimeSpan LongestFailing = TimeSpan.FromDays(5);

    /// <param name="busy">Those that somebody sends to already.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Who has waited the longest first.</returns>
    internal async Task<IReadOnlyList<DueEndpoint>> FindAsync(
        IReadOnlyCollection<Guid> busy,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(DueSql);
        command.Parameters.AddWithValue("busy", busy.ToArray());
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>Notes how an endpoint fares.</summary>
    internal async Task NoteAsync(DueEndpoint endpoint, DeliveryRound round, CancellationToken cancellationToken)
    {
        // Of addresses that jobs name one says nothing about the others.
        if (endpoint.Target.Address is null || round.Tries == 0)
        {
            return;
        }

        var sql =
            round.IsGone ? GoneSql
            : round.Taken > 0 ? WellSql
            : IllSql;
        if (sql == WellSql && !endpoint.IsFailing)
        {
            return;
        }

#pragma warning disable CA2100 // One of the constants above.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", endpoint.Id);
        if (sql == IllSql)
        {
            command.Parameters.AddWithValue("longest", LongestFailing);
        }

        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private DueEndpoint Read(NpgsqlDataReader row)
    {
        var id = row.GetGuid(0);
        byte[]?[] boxes = [row.GetFieldValue<byte[]>(2), row.IsDBNull(3) ? null : row.GetFieldValue<byte[]>(3)];
        var secrets = boxes.OfType<byte[]>().Select(box => seal.Open(id, box)).OfType<WebhookSecret>().ToList();
        var address = row.Text(1) is { } url ? new Uri(url) : null;
        return new DueEndpoint(id, new WebhookTarget(WebhookEndpoint.NameOf(id), address, secrets), row.GetBoolean(4));
    }
}

/// <summary>An endpoint with something due.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Target">Where messages go, and how they are signed.</param>
/// <param name="IsFailing">Whether it took nothing lately.</param>
internal sealed record DueEndpoint(Guid Id, WebhookTarget Target, bool IsFailing);
