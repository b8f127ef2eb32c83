using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Retention;

/// <summary>Replaces the deltas of jobs that ended a while ago by snapshots, a batch at a time, in the order of ids.</summary>
/// <remarks>
/// An ended job's log has no other writer, so what is read here is still there when it is replaced. Each batch is one statement that
/// replaces, and says how far it came: a process that dies between two batches loses nothing, and two at once do the same thing.
/// </remarks>
public sealed class CompactLogs(NpgsqlDataSource database, StoredShapes? shapes = null)
{
    private const int MaxBatch = 100;

    private const string NextSql = """
        SELECT j.id, coalesce(j.status >= 6 AND j.finished_at <= now() - @after, false)
          FROM jobs j
         WHERE j.id > @watermark AND j.id < first_job_id(now() - @after) ORDER BY j.id LIMIT @limit
        """;

    private const string StragglersSql = """
        SELECT s.job_id, true
          FROM compaction_stragglers s LEFT JOIN jobs j ON j.id = s.job_id
         WHERE j.id IS NULL OR (j.status >= 6 AND j.finished_at <= now() - @after) ORDER BY s.job_id LIMIT @limit
        """;

    private const string LogSql = """
        SELECT job_id, seq, kind, data, schema_version FROM job_events
         WHERE job_id = ANY (@ids) AND kind IN (2, 3, 4) ORDER BY job_id, seq
        """;

    private const string ReplaceSql = """
        WITH runs AS (
            SELECT * FROM unnest(@run_job, @run_first, @run_last, @run_data) AS r (job_id, first, last, data)
        ), snapshots AS (
            UPDATE job_events e SET kind = 3, data = r.data, schema_version = @schema_version
              FROM runs r WHERE e.job_id = r.job_id AND e.seq = r.last AND e.kind = 2
        ), gone AS (
            DELETE FROM job_events e USING runs r WHERE e.job_id = r.job_id AND e.seq >= r.first AND e.seq < r.last AND e.kind = 2
            RETURNING 1
        ), late AS (
            INSERT INTO compaction_stragglers (job_id) SELECT unnest(@late) ON CONFLICT DO NOTHING
        ), caught_up AS (
            DELETE FROM compaction_stragglers WHERE job_id = ANY (@done)
        ), moved AS (
            UPDATE compaction SET watermark = @to WHERE watermark = @from AND @to > @from
        )
        SELECT count(*) FROM gone
        """;

    /// <summary>Compacts the next jobs that ended longer ago than <paramref name="after"/>.</summary>
    /// <returns>How many events are gone, and whether there may be more to do at once.</returns>
    public async Task<(long Removed, bool More)> RunAsync(TimeSpan after, CancellationToken cancellationToken)
    {
        var from = await ReadWatermarkAsync(cancellationToken);
        var next = await FindAsync(NextSql, after, from, cancellationToken);
        var stragglers = await FindAsync(StragglersSql, after, null, cancellationToken);
        if (next.Count == 0 && stragglers.Count == 0)
        {
            return (0, false);
        }

        Guid[] done = [.. stragglers.Select(job => job.Id)];
        var runs = await FoldAsync([.. next.Where(job => job.IsReady).Select(job => job.Id), .. done], cancellationToken);
        var removed = await ReplaceAsync(
            runs,
            late: [.. next.Where(job => !job.IsReady).Select(job => job.Id)],
            done,
            from,
            to: next is [.., var last] ? last.Id : from,
            cancellationToken
        );
        return (removed, next.Count == MaxBatch || stragglers.Count == MaxBatch);
    }

    private async Task<Guid> ReadWatermarkAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT watermark FROM compaction");
        return (Guid)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<List<(Guid Id, bool IsReady)>> FindAsync(
        string sql,
        TimeSpan after,
        Guid? watermark,
        CancellationToken cancellationToken
    )
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("after", NpgsqlDbType.Interval, after);
        command.Parameters.AddWithValue("limit", MaxBatch);
        if (watermark is { } beyond)
        {
            command.Parameters.AddWithValue("watermark", beyond);
        }

        return await command.ReadAllAsync(row => (row.GetGuid(0), row.GetBoolean(1)), cancellationToken);
    }

    private async Task<List<(Guid JobId, CompactedRun Run)>> FoldAsync(Guid[] ids, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(LogSql);
        command.Parameters.AddWithValue("ids", ids);
        var events = await command.ReadStoredEventsAsync(shapes ?? StoredShapes.Current, cancellationToken);
        return [.. events.GroupBy(record => record.JobId).SelectMany(log => LogFold.Compact([.. log]), (log, run) => (log.Key, run))];
    }

    private async Task<long> ReplaceAsync(
        List<(Guid JobId, CompactedRun Run)> runs,
        Guid[] late,
        Guid[] done,
        Guid from,
        Guid to,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(ReplaceSql);
        command.Parameters.AddColumn("run_job", NpgsqlDbType.Uuid, runs, row => row.JobId);
        command.Parameters.AddColumn("run_first", NpgsqlDbType.Integer, runs, row => row.Run.First);
        command.Parameters.AddColumn("run_last", NpgsqlDbType.Integer, runs, row => row.Run.Last);
        command.Parameters.AddColumn("run_data", NpgsqlDbType.Text, runs, row => row.Run.Snapshot);
        command.Parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Version);
        command.Parameters.AddWithValue("late", late);
        command.Parameters.AddWithValue("done", done);
        command.Parameters.AddWithValue("from", from);
        command.Parameters.AddWithValue("to", to);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
