using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;
using AiBackend.Core.Queue.Outlook;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Queue.Estimates;

/// <summary>Learns from the jobs that ended lately: the leader's part.</summary>
public sealed class LearnEstimates(NpgsqlDataSource database, RecentLoads loads, LineFlow flow, TimeProvider clock)
{
    // The newest attempts, so that what changes is noticed, however many jobs wait; so many that one busy tenant does not drive out the
    // others at once. Jobs that ask no model count as load, and say nothing of those that do. A group that is not among them keeps what was learned of it.
    private const string Sql = """
        WITH recent AS MATERIALIZED (
            SELECT j.type, j.tenant_id, j.model, coalesce(p.feature, '') AS feature,
                   greatest(0.001, extract(epoch FROM a.ended_at - a.started_at)::float8) AS run,
                   greatest(1, coalesce(a.input_tokens, 0) + coalesce(a.output_tokens, 0))::float8 AS tokens
              FROM (SELECT * FROM job_attempts WHERE job_id >= @from AND ended_at IS NOT NULL ORDER BY job_id DESC, attempt DESC LIMIT 5000) a
             CROSS JOIN LATERAL (SELECT type, tenant_id, model FROM jobs WHERE id = a.job_id AND attempt = a.attempt AND status IN (6, 7) LIMIT 1) j
             CROSS JOIN LATERAL (SELECT feature FROM job_payloads WHERE job_id = a.job_id LIMIT 1) p
        ), learned AS (
            INSERT INTO job_estimates AS e (tenant_id, model, feature, samples, run_p50, run_p90, tokens_p50, tokens_p90)
            SELECT coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'), model,
                   CASE WHEN grouping(feature) = 1 THEN '*' ELSE feature END, count(*),
                   percentile_disc(0.5) WITHIN GROUP (ORDER BY run), percentile_disc(0.9) WITHIN GROUP (ORDER BY run),
                   percentile_disc(0.5) WITHIN GROUP (ORDER BY tokens), percentile_disc(0.9) WITHIN GROUP (ORDER BY tokens)
              FROM recent WHERE type IN (1, 2) GROUP BY GROUPING SETS ((tenant_id, model, feature), (tenant_id, model), (model))
            HAVING count(*) >= @enough
                ON CONFLICT (tenant_id, model, feature) DO UPDATE
               SET samples = excluded.samples, run_p50 = excluded.run_p50, run_p90 = excluded.run_p90,
                   tokens_p50 = excluded.tokens_p50, tokens_p90 = excluded.tokens_p90, updated_at = now()
        )
        SELECT least(24, greatest(0, ceil(ln(run * 1000) / ln(2::float8))))::smallint, count(*)::integer, sum(run) FROM recent GROUP BY 1
        """;

    private const string NewestSql = "SELECT id FROM jobs WHERE id >= @from ORDER BY id DESC LIMIT 1";

    private static readonly TimeSpan Window = TimeSpan.FromHours(1);

    // With fewer, the wider group knows better.
    private const int Enough = 5;

    private Guid _newest;
    private int _still;

    /// <summary>Learns, unless nothing has happened since the last time.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (await IsStillAsync(cancellationToken))
        {
            return;
        }

        await using var command = Command(Sql);
        command.Parameters.AddWithValue("enough", Enough);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var read = new List<LengthLoad>();
        while (await reader.ReadAsync(cancellationToken))
        {
            read.Add(new(reader.GetInt16(0), reader.GetInt32(1), reader.GetDouble(2)));
        }

        loads.ByLength = read;
    }

    /// <summary>No job came, and none waits for a slot, for so long that those that did have ended, or take longer than it matters.</summary>
    private async Task<bool> IsStillAsync(CancellationToken cancellationToken)
    {
        const int Rounds = 60;
        await using var command = Command(NewestSql);
        var newest = await command.ExecuteScalarAsync(cancellationToken) as Guid? ?? Guid.Empty;
        _still = newest == _newest ? _still + 1 : 0;
        _newest = newest;
        return newest == Guid.Empty || (_still > Rounds && !flow.HasLine);
    }

    private NpgsqlCommand Command(string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("from", NpgsqlDbType.Uuid, JobIds.FirstOf(clock.GetUtcNow() - Window));
        return command;
    }
}
