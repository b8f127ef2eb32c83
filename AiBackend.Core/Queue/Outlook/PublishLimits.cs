using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Queue.Outlook;

/// <summary>Writes down who waits for which limit and how fast it lets them go on, for every process that tells callers: the leader's part.</summary>
public sealed class PublishLimits([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Who has left is left out: what is not written any more is not told (LimitOutlook).
    private const string Sql = """
        INSERT INTO limit_outlook AS o (name, at, reason, models, levels, tenants, tiers, waiting, slot_seconds, leaving, per_second, blocked_seconds)
        SELECT f.name, now(), w.reason, w.models, w.levels, w.tenants, w.tiers, w.waiting, f.slot_seconds, f.leaving, f.per_second, f.blocked_seconds
          FROM (SELECT 1 WHERE EXISTS (SELECT 1 FROM jobs WHERE status IN (1, 5) AND waiting_reason LIKE 'rate_limit:%')) any_wait
         CROSS JOIN limit_flows() f
         CROSS JOIN LATERAL (
               SELECT (array_agg(l.reason ORDER BY l.waiting DESC))[1] AS reason, array_agg(l.priority) AS levels, array_agg(l.tenant_id) AS tenants,
                      array_agg(coalesce(t.tier, @standard)) AS tiers, array_agg(l.waiting) AS waiting,
                      (SELECT array_agg(DISTINCT model) FROM unnest(string_to_array(string_agg(l.models, E'\n'), E'\n')) model) AS models
                 FROM (SELECT r.reason, p.priority, a.tenant_id,
                              (SELECT count(*) FROM (SELECT 1 FROM jobs j
                                                      WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = r.reason
                                                        AND j.priority = p.priority AND j.tenant_id = a.tenant_id LIMIT 10000) n)::integer AS waiting,
                              (SELECT string_agg(DISTINCT m.model, E'\n')
                                 FROM (SELECT j.model FROM jobs j
                                        WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = r.reason
                                          AND j.priority = p.priority AND j.tenant_id = a.tenant_id ORDER BY j.id LIMIT 20) m) AS models
                         FROM unnest(f.reasons) AS r (reason)
                        CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
                        CROSS JOIN LATERAL limited_tenants(r.reason, p.priority) AS a (tenant_id)) l
                 LEFT JOIN tenants t ON t.id = l.tenant_id
               HAVING count(*) > 0) w
            ON CONFLICT (name) DO UPDATE
           SET at = now(), reason = excluded.reason, models = excluded.models, levels = excluded.levels, tenants = excluded.tenants,
               tiers = excluded.tiers, waiting = excluded.waiting, slot_seconds = excluded.slot_seconds, leaving = excluded.leaving,
               per_second = excluded.per_second, blocked_seconds = excluded.blocked_seconds
        """;

    private const string ForgetSql = "DELETE FROM limit_outlook WHERE at < now() - interval '1 minute'";

    /// <summary>Once.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var batch = rounds.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(ForgetSql));
        var publish = new NpgsqlBatchCommand(Sql);
        publish.Parameters.AddWithValue("standard", QueueTiers.Standard);
        batch.BatchCommands.Add(publish);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }
}
