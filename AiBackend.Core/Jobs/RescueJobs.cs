using System.Globalization;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Telemetry;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

/// <summary>Processing → Queued, Failed or Cancelled, for jobs whose lease has expired.</summary>
public sealed class RescueJobs(IJobStore store, IJobSignals signals, JobMetrics metrics)
{
    private const int MaxBatch = 500;

    /// <summary>Crashes of its worker after which a job is taken to be the cause.</summary>
    public const int MaxCrashes = 3;

    /// <summary>Crashes of its worker after which a job runs in a process of its own. Also in the index jobs_suspects.</summary>
    public const int AloneAfter = 2;

    /// <returns>How many jobs were rescued. Every expired lease is looked at, in pages, so that none can hide behind others.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var rescued = 0;
        var after = Guid.Empty;
        while (true)
        {
            var ids = await store.FindExpiredLeasesAsync(after, MaxBatch, cancellationToken);
            if (ids.Length == 0)
            {
                return rescued;
            }

            after = ids[^1];
            rescued += await RunAsync(ids, cancellationToken);
        }
    }

    /// <summary>Only these, of which the leases that have expired.</summary>
    /// <returns>How many jobs were rescued.</returns>
    public async Task<int> RunAsync(Guid[] ids, CancellationToken cancellationToken)
    {
        var events = await TransientRetry.RunAsync(token => store.RescueAsync(ids, token), cancellationToken);
        signals.Committed(events);
        // Those that must run alone are among them; their claim refuses them.
        var queued = events.Where(record => record.Kind == JobEventKind.State).Select(record => record.JobId).ToList();
        signals.Queued(queued);
        metrics.Rescued(events.Count / 2);
        return events.Count / 2;
    }
}

internal sealed partial class PostgresJobStore
{
    private const string FindExpiredSql = """
        SELECT id FROM jobs WHERE status = 2 AND lease_until < now() AND id > @after ORDER BY id LIMIT @limit
        """;

    // A lost attempt is excused: most lost jobs are the neighbours of the guilty one, or of none. crash_count bounds the rest.
    // The guard repeats status and lease: a worker that ends or renews the job between the two statements wins.
    private static readonly string RescueSql = string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        WITH rescued AS (
            UPDATE jobs j
               SET status = CASE WHEN j.cancel_requested THEN 9
                                 WHEN j.crash_count + 1 >= {{RescueJobs.MaxCrashes}} THEN 8
                                 WHEN j.deadline <= now() THEN 8
                                 ELSE 1 END,
                   crash_count = j.crash_count + 1, excused = j.excused + 1, last_seq = j.last_seq + 2, lease_until = NULL, due_at = now(),
                   finished_at = CASE WHEN j.cancel_requested OR j.crash_count + 1 >= {{RescueJobs.MaxCrashes}} OR j.deadline <= now() THEN now() END,
                   error_code = CASE WHEN j.cancel_requested THEN NULL WHEN j.crash_count + 1 >= {{RescueJobs.MaxCrashes}} THEN 'poison'
                                     WHEN j.deadline <= now() THEN 'deadline_exceeded' ELSE 'worker_lost' END,
                   error_class = CASE WHEN j.cancel_requested THEN NULL WHEN j.crash_count + 1 >= {{RescueJobs.MaxCrashes}} THEN 'unknown' ELSE 'transient' END,
                   error_message = CASE WHEN j.cancel_requested THEN NULL
                                        WHEN j.crash_count + 1 >= {{RescueJobs.MaxCrashes}}
                                        THEN 'The worker running this job died {{RescueJobs.MaxCrashes}} times; the job is taken to be the cause. Change its input before you replay it.'
                                        WHEN j.deadline <= now() THEN '{{JobDeadline.Message}}'
                                        ELSE 'The worker running this job was lost. The job runs again; the lost attempt is not counted.' END
              FROM unnest(@ids) AS i (id)
             WHERE j.id = i.id AND j.status::int = 2 AND j.lease_until < now()
            RETURNING j.id, j.tenant_id, j.status, j.attempt, j.priority, j.pool, j.lease_epoch, j.crash_count, j.worker_id, j.claimed_at, j.last_seq,
                      j.error_code, j.error_class, j.error_message
        ), calls AS MATERIALIZED (
            -- What the worker had reserved is given back; what it had sent may be billed, and counts as spent.
            SELECT close_lost_calls(array_agg(id), array_agg(lease_epoch)) AS closed FROM rescued
        ), attempts AS (
            INSERT INTO job_attempts (job_id, attempt, tenant_id, worker_id, outcome, started_at, error_code, error_class, error_message)
            SELECT id, attempt, tenant_id, worker_id, 6, claimed_at, 'worker_lost', 'transient', 'The worker running this attempt was lost.'
              FROM rescued
        ), letters AS (
            INSERT INTO dead_letters (job_id, tenant_id, class, code)
            SELECT id, tenant_id, error_class, error_code FROM rescued WHERE status = 8
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, last_seq - 1, 4, tenant_id, '{"attempt":' || attempt || ',"reason":"worker_lost"}' FROM rescued
            UNION ALL
            SELECT id, last_seq, CASE WHEN status = 1 THEN 1 ELSE 7 END, tenant_id,
                   CASE WHEN status = 1 THEN queued_event(attempt, priority, pool, crash_count) ELSE '{}' END
              FROM rescued
            RETURNING job_id, seq, kind, data
        )
        SELECT job_id, seq, kind, data FROM events, calls ORDER BY job_id, seq
        """
    );

    public async Task<Guid[]> FindExpiredLeasesAsync(Guid after, int limit, CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(
            rounds,
            FindExpiredSql,
            parameters =>
            {
                parameters.AddWithValue("after", after);
                parameters.AddWithValue("limit", limit);
            },
            cancellationToken
        );
        return await command.Command.ReadIdsAsync(cancellationToken);
    }

    public async Task<IReadOnlyList<JobEventRecord>> RescueAsync(Guid[] ids, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // The text is built from constants of this class.
        await using var command = database.CreateCommand(RescueSql);
#pragma warning restore CA2100
        command.Parameters.Add(Parameter.Of("ids", NpgsqlDbType.Uuid, ids));
        return await command.ReadEventsAsync(cancellationToken);
    }
}
