using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Webhooks;

/// <summary>Endpoints of all tenants as their sender sees them: who has something due, and how they fare.</summary>
public sealed class DueEndpoints(NpgsqlDataSource database, WebhookSeal seal)
{
    // Each kind has rows of its own, and each tenant few of them: those of one kind or tenant must not hide the others.
    private const string DueSql = """
        WITH due AS (
            SELECT e.id, e.url, e.secret, CASE WHEN e.old_until > now() THEN e.old_secret END AS old_secret, e.tenant_id,
                   e.failing_since IS NOT NULL AS failing, e.failing_since IS NOT NULL OR e.id = ANY (@slow) AS weak, d.next_at
              FROM webhook_endpoints e
             CROSS JOIN LATERAL (SELECT next_at FROM webhook_deliveries d
                                  WHERE d.endpoint = replace(e.id::text, '-', '') AND d.state = 0 AND d.next_at <= now()
                                  ORDER BY next_at LIMIT 1) d
             WHERE e.enabled AND NOT e.id = ANY (@busy)
        ), of_tenants AS (
            SELECT *, row_number() OVER (PARTITION BY weak, tenant_id ORDER BY next_at, id) AS of_tenant FROM due
        ), of_kinds AS (
            SELECT *, row_number() OVER (PARTITION BY weak ORDER BY next_at, id) AS of_kind FROM of_tenants WHERE of_tenant <= @of_tenant
        )
        SELECT id, url, secret, old_secret, tenant_id, failing, weak FROM of_kinds
         WHERE of_kind <= CASE WHEN weak THEN @weak ELSE @well END
         ORDER BY next_at
        """;

    private const string WellSql = "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = @id AND failing_since IS NOT NULL";

    private const string IllSql = """
        UPDATE webhook_endpoints
           SET failing_since = coalesce(failing_since, now()),
               enabled = url IS NULL OR failing_since IS NULL OR failing_since > now() - @longest,
               disabled_for = CASE WHEN url IS NOT NULL AND failing_since <= now() - @longest THEN 'failing' END
         WHERE id = @id AND enabled AND (failing_since IS NULL OR failing_since <= now() - @longest)
        """;

    // What was given up says nothing of what comes later.
    private const string QuietSql = """
        UPDATE webhook_endpoints SET failing_since = NULL
         WHERE id = @id AND enabled AND failing_since IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE endpoint = @name AND state = 0)
        """;

    private const string GoneSql = "UPDATE webhook_endpoints SET enabled = false, disabled_for = 'gone' WHERE id = @id AND enabled";

    /// <summary>Longer than any message is tried: an endpoint that took nothing for so long is not coming back by itself.</summary>
    private static readonly TimeSpan LongestFailing = TimeSpan.FromDays(5);

    /// <param name="busy">Those that somebody sends to already.</param>
    /// <param name="slow">Those that are known to be slow.</param>
    /// <param name="limits">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Who has waited the longest first.</returns>
    internal async Task<IReadOnlyList<DueEndpoint>> FindAsync(
        IReadOnlyCollection<Guid> busy,
        IReadOnlyCollection<Guid> slow,
        DueLimits limits,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(DueSql);
        command.Parameters.AddWithValue("busy", busy.ToArray());
        command.Parameters.AddWithValue("slow", slow.ToArray());
        command.Parameters.AddWithValue("of_tenant", limits.OfTenant);
        command.Parameters.AddWithValue("well", limits.Well);
        command.Parameters.AddWithValue("weak", limits.Weak);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>Notes how an endpoint fares.</summary>
    internal async Task NoteAsync(DueEndpoint endpoint, DeliveryRound round, CancellationToken cancellationToken)
    {
        if (round.Tries == 0)
        {
            await NoteQuietAsync(endpoint, cancellationToken);
            return;
        }

        // Of addresses that jobs name one says nothing about the others: that endpoint may fail, and is never disabled.
        var sql =
            round.IsGone && endpoint.Target.Address is not null ? GoneSql
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
        if (sql == IllSql)
        {
            await NoteQuietAsync(endpoint, cancellationToken);
        }
    }

    private async Task NoteQuietAsync(DueEndpoint endpoint, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(QuietSql);
        command.Parameters.AddWithValue("id", endpoint.Id);
        command.Parameters.AddWithValue("name", endpoint.Target.Endpoint);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private DueEndpoint Read(NpgsqlDataReader row)
    {
        var id = row.GetGuid(0);
        byte[]?[] boxes = [row.GetFieldValue<byte[]>(2), row.IsDBNull(3) ? null : row.GetFieldValue<byte[]>(3)];
        var secrets = boxes.OfType<byte[]>().Select(box => seal.Open(id, box)).OfType<WebhookSecret>().ToList();
        var address = row.Text(1) is { } url ? new Uri(url) : null;
        var target = new WebhookTarget(WebhookEndpoint.NameOf(id), address, secrets);
        return new DueEndpoint(id, row.GetGuid(4), target, row.GetBoolean(5), row.GetBoolean(6));
    }
}

/// <summary>An endpoint with something due.</summary>
/// <param name="Id">Its id.</param>
/// <param name="TenantId">Whose it is.</param>
/// <param name="Target">Where messages go, and how they are signed.</param>
/// <param name="IsFailing">Whether it took nothing lately.</param>
/// <param name="IsWeak">Whether it fails, or is slow.</param>
internal sealed record DueEndpoint(Guid Id, Guid TenantId, WebhookTarget Target, bool IsFailing, bool IsWeak);

/// <summary>How many endpoints are looked at.</summary>
/// <param name="OfTenant">Of one tenant, of each kind.</param>
/// <param name="Well">Of those that are well.</param>
/// <param name="Weak">Of those that fail, or are slow.</param>
internal sealed record DueLimits(int OfTenant, int Well, int Weak);
