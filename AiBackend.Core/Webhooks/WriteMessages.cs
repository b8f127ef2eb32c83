using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Webhooks;

/// <summary>Makes messages to endpoints of what happened to jobs: the leader's part. One statement, so that nothing is told of twice or never.</summary>
public sealed class WriteMessages([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Also in the text: of a parameter, a plan for all values takes a tenth of all rows for granted.
    private const int MaxAtOnce = 500;

    private const string Sql = """
        WITH taken AS (
            DELETE FROM webhook_outbox WHERE id IN (SELECT id FROM webhook_outbox ORDER BY at LIMIT 500 FOR UPDATE SKIP LOCKED)
            RETURNING id, tenant_id, job_id, status, at
        ), messages AS (
            INSERT INTO webhook_deliveries (endpoint, id, tenant_id, type, about, url, body)
            SELECT replace(e.id::text, '-', ''), t.id, t.tenant_id, 'job.' || k.name, t.job_id, CASE WHEN e.url IS NULL THEN p.webhook_url END,
                   json_build_object('type', 'job.' || k.name, 'timestamp', rfc3339(t.at), 'data', json_build_object(
                       'id', t.job_id, 'object', 'job', 'status', k.name, 'model', j.model, 'feature', p.feature, 'created_at', rfc3339(j.created_at), 'finished_at', rfc3339(j.finished_at),
                       'error_code', j.error_code, 'metadata', coalesce(p.metadata, '{}')::json))::text
              FROM taken t
              JOIN (VALUES (3, 'waiting_for_tool'), (4, 'waiting_for_review'), (6, 'completed'), (7, 'partially_completed'), (8, 'failed'),
                           (9, 'cancelled')) AS k (status, name) ON k.status = t.status
              JOIN jobs j ON j.id = t.job_id
              JOIN job_payloads p ON p.job_id = t.job_id
              JOIN webhook_endpoints e ON e.tenant_id = t.tenant_id AND e.enabled AND (e.url IS NOT NULL OR p.webhook_url IS NOT NULL)
                                      AND (e.events = '{}' OR 'job.' || k.name = ANY (e.events))
            ON CONFLICT DO NOTHING
        )
        SELECT count(*) FROM taken
        """;

    /// <returns>Whether there may be more.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(rounds, Sql, _ => { }, cancellationToken);
        return await hot.Command.ExecuteScalarAsync(cancellationToken) is long and MaxAtOnce;
    }
}
