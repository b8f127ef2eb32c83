using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Batches;

/// <summary>The steps of who holds a batch. Each is one statement that says who that is, and changes nothing once somebody else does.</summary>
public sealed class BatchSteps(NpgsqlDataSource database, [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource allTenants)
{
    /// <summary>How long a batch is held before somebody else may go on with it.</summary>
    public static readonly TimeSpan HeldFor = TimeSpan.FromSeconds(10);

    /// <summary>Stands for the number of a line in the key that its job is submitted under.</summary>
    public const string AnyLine = "#";

    private const string Held =
        "b.id = @id AND b.tenant_id = @tenant_id AND b.holder = @holder AND b.held_until > now() AND b.ended_at IS NULL";

    private const string ClaimSql = $"""
        UPDATE batches b SET holder = @holder, held_until = now() + @held_for
         WHERE b.id IN (SELECT o.id FROM batches o
                         WHERE o.ended_at IS NULL AND (o.holder IS NULL OR o.holder = @holder OR o.held_until < now())
                           AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = o.tenant_id AND t.deletion_at IS NOT NULL)
                         ORDER BY o.held_until NULLS FIRST, o.id LIMIT @limit FOR UPDATE OF o SKIP LOCKED)
        RETURNING {BatchStore.Columns}
        """;

    private const string KeepSql = $"UPDATE batches b SET held_until = now() + @held_for WHERE {Held}";

    private const string AddLinesSql = $"""
        WITH held AS (
            UPDATE batches b
               SET read_to = @read_to, lines = b.lines + @count, status = CASE WHEN @is_last THEN 1 ELSE 0 END,
                   in_progress_at = CASE WHEN @is_last THEN now() END
             WHERE {Held} AND b.status::int = 0 AND b.read_to = @read_from
            RETURNING 1
        ), added AS (
            INSERT INTO batch_lines (batch_id, line, tenant_id, custom_id, start, length)
            SELECT @id, i.line, @tenant_id, i.custom_id, i.start, i.length
              FROM unnest(@line, @custom_id, @start, @length) AS i (line, custom_id, start, length) CROSS JOIN held
        )
        SELECT 1 FROM held
        """;

    private const string FindIdsSql = """
        SELECT custom_id, line FROM batch_lines WHERE batch_id = @id AND tenant_id = @tenant_id AND custom_id = ANY (@custom_id)
        """;

    private const string FailSql =
        $"UPDATE batches b SET status = 5, faults = @faults, ended_at = now() WHERE {Held} AND b.status::int = 0";

    private const string LinesSql = """
        SELECT line, custom_id, start, length, state, job_id, status_code, error FROM batch_lines
         WHERE batch_id = @id AND tenant_id = @tenant_id AND line > @after AND (@state IS NULL OR state = @state AND state IN (0, 1))
         ORDER BY line LIMIT @limit
        """;

    private const string SubmittedSql = $"""
        UPDATE batch_lines l SET state = 1, job_id = i.job_id FROM unnest(@line, @job_id) AS i (line, job_id)
         WHERE l.batch_id = @id AND l.tenant_id = @tenant_id AND l.line = i.line AND l.state::int = 0
           AND EXISTS (SELECT 1 FROM batches b WHERE {Held})
        """;

    // Of a line that is given up there may be a job all the same: whoever handed it over died before it could note that. It is found by its key,
    // and what becomes of the job is what becomes of the line.
    private const string RefusedSql = $"""
        UPDATE batch_lines l
           SET state = CASE WHEN k.job_id IS NULL THEN 3 ELSE 1 END, job_id = k.job_id,
               status_code = CASE WHEN k.job_id IS NULL THEN i.status_code END, error = CASE WHEN k.job_id IS NULL THEN i.error END
          FROM unnest(@line, @status_code, @error) AS i (line, status_code, error)
          LEFT JOIN idempotency_keys k ON k.tenant_id = @tenant_id AND k.route = 'jobs' AND k.key = replace(@key, '#', i.line::text)
         WHERE l.batch_id = @id AND l.tenant_id = @tenant_id AND l.line = i.line AND l.state::int = 0
           AND EXISTS (SELECT 1 FROM batches b WHERE {Held})
        """;

    // By the job's own word; one that its deadline ended is too late.
    // A job that was deleted has ended too, and nothing is left to tell of it.
    private const string CollectSql = """
        UPDATE batch_lines l
           SET state = CASE WHEN j.status IN (6, 7) THEN 2 WHEN j.status = 9 THEN 5 WHEN j.error_code = 'deadline_exceeded' THEN 4 ELSE 3 END
          FROM batch_lines open
          LEFT JOIN jobs j ON j.id = open.job_id AND j.tenant_id = @tenant_id
         WHERE open.batch_id = @id AND open.tenant_id = @tenant_id AND open.state = 1 AND (j.id IS NULL OR j.status::int >= 6)
           AND l.batch_id = open.batch_id AND l.line = open.line AND l.state = 1
        """;

    private const string GiveUpSql = $"""
        WITH held AS (
            SELECT b.cancelling_at IS NOT NULL AS is_cancelled FROM batches b
             WHERE {Held} AND (b.cancelling_at IS NOT NULL OR b.window_ends_at < now())
        ), given_up AS (
            SELECT w.line, k.job_id, h.is_cancelled
              FROM held h
              JOIN batch_lines w ON w.batch_id = @id AND w.tenant_id = @tenant_id AND w.state = 0
              LEFT JOIN idempotency_keys k ON k.tenant_id = @tenant_id AND k.route = 'jobs' AND k.key = replace(@key, '#', w.line::text)
        )
        UPDATE batch_lines l
           SET state = CASE WHEN g.job_id IS NOT NULL THEN 1 WHEN g.is_cancelled THEN 5 ELSE 4 END, job_id = g.job_id
          FROM given_up g
         WHERE l.batch_id = @id AND l.tenant_id = @tenant_id AND l.line = g.line AND l.state::int = 0
        """;

    private const string OpenSql = """
        SELECT b.lines - b.submitted - b.answered - b.missed, b.submitted FROM batches b WHERE b.id = @id AND b.tenant_id = @tenant_id
        """;

    private const string FinalizeSql = $"""
        UPDATE batches b SET status = 2, finalizing_at = coalesce(b.finalizing_at, now()), output_file_id = @output, error_file_id = @error
         WHERE {Held} AND b.status::int IN (1, 2, 3)
           AND NOT EXISTS (SELECT 1 FROM batch_lines l WHERE l.batch_id = b.id AND l.tenant_id = @tenant_id AND l.state IN (0, 1))
        """;

    private const string EndSql = $"""
        UPDATE batches b
           SET status = CASE WHEN b.cancelling_at IS NOT NULL THEN 7
                             WHEN EXISTS (SELECT 1 FROM batch_lines l WHERE l.batch_id = b.id AND l.tenant_id = @tenant_id AND l.state = 4) THEN 6
                             ELSE 4 END,
               output_file_id = @output, error_file_id = @error, ended_at = now()
         WHERE {Held} AND b.status::int = 2
        """;

    private readonly Guid _holder = Guid.CreateVersion7();

    /// <summary>Takes, or goes on to hold, batches that have not ended.</summary>
    public async Task<IReadOnlyList<Batch>> ClaimAsync(int limit, CancellationToken cancellationToken)
    {
        await using var command = allTenants.CreateCommand(ClaimSql);
        command.Parameters.AddWithValue("holder", _holder);
        command.Parameters.AddWithValue("held_for", NpgsqlDbType.Interval, HeldFor);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(BatchStore.Read, cancellationToken);
    }

    /// <returns>Whether it is still held.</returns>
    public async Task<bool> KeepAsync(Batch batch, CancellationToken cancellationToken)
    {
        await using var command = For(batch, KeepSql);
        command.Parameters.AddWithValue("held_for", NpgsqlDbType.Interval, HeldFor);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Notes the next lines of its file, and how far it was read for them, together.</summary>
    /// <returns>Whether they were noted.</returns>
    public async Task<bool> AddLinesAsync(
        Batch batch,
        IReadOnlyList<BatchLine> lines,
        long readTo,
        bool isLast,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(batch, AddLinesSql);
        command.Parameters.AddWithValue("read_from", batch.ReadTo);
        command.Parameters.AddWithValue("read_to", readTo);
        command.Parameters.AddWithValue("count", lines.Count);
        command.Parameters.AddWithValue("is_last", isLast);
        command.Parameters.AddColumn("line", NpgsqlDbType.Integer, lines, line => line.Line);
        command.Parameters.AddColumn("custom_id", NpgsqlDbType.Text, lines, line => line.CustomId);
        command.Parameters.AddColumn("start", NpgsqlDbType.Bigint, lines, line => line.Start);
        command.Parameters.AddColumn("length", NpgsqlDbType.Integer, lines, line => line.Length);
        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <returns>Of these names those that earlier lines have, with their lines.</returns>
    public async Task<IReadOnlyDictionary<string, int>> FindIdsAsync(
        Batch batch,
        IReadOnlyList<string> customIds,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(batch, FindIdsSql);
        command.Parameters.AddColumn("custom_id", NpgsqlDbType.Text, customIds, id => id);
        var found = await command.ReadAllAsync(row => (Id: row.GetString(0), Line: row.GetInt32(1)), cancellationToken);
        return found.ToDictionary(each => each.Id, each => each.Line, StringComparer.Ordinal);
    }

    /// <summary>Its file is no batch: nothing of it is done.</summary>
    public async Task FailAsync(Batch batch, string faults, CancellationToken cancellationToken)
    {
        await using var command = For(batch, FailSql);
        command.Parameters.AddWithValue("faults", faults);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <param name="batch">Which.</param>
    /// <param name="state">Waiting or submitted; null is all.</param>
    /// <param name="after">The last line before; 0 begins.</param>
    /// <param name="limit">How many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<BatchLine>> LinesAsync(
        Batch batch,
        LineState? state,
        int after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(batch, LinesSql);
        command.Parameters.AddWithValue("state", NpgsqlDbType.Smallint, state is { } given ? (short)given : DBNull.Value);
        command.Parameters.AddWithValue("after", after);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(ReadLine, cancellationToken);
    }

    /// <summary>Notes which jobs lines became.</summary>
    public async Task NoteSubmittedAsync(Batch batch, IReadOnlyList<(int Line, Guid JobId)> lines, CancellationToken cancellationToken)
    {
        await using var command = For(batch, SubmittedSql);
        command.Parameters.AddColumn("line", NpgsqlDbType.Integer, lines, line => line.Line);
        command.Parameters.AddColumn("job_id", NpgsqlDbType.Uuid, lines, line => line.JobId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Notes why lines became no jobs.</summary>
    /// <param name="batch">Which.</param>
    /// <param name="key">What the job of <see cref="AnyLine"/> is submitted under.</param>
    /// <param name="lines">Which lines, and why.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task NoteRefusedAsync(
        Batch batch,
        string key,
        IReadOnlyList<(int Line, int Status, string Error)> lines,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(batch, RefusedSql);
        command.Parameters.AddWithValue("key", key);
        command.Parameters.AddColumn("line", NpgsqlDbType.Integer, lines, line => line.Line);
        command.Parameters.AddColumn("status_code", NpgsqlDbType.Smallint, lines, line => (short)line.Status);
        command.Parameters.AddColumn("error", NpgsqlDbType.Text, lines, line => line.Error);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Notes how jobs of lines have ended, and what is left of lines that wait, and of jobs.</summary>
    public async Task<(int Waiting, int Submitted)> CollectAsync(Batch batch, CancellationToken cancellationToken)
    {
        await using (var collect = For(batch, CollectSql))
        {
            await collect.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var open = For(batch, OpenSql);
        return (await open.ReadAllAsync(row => (row.GetInt32(0), row.GetInt32(1)), cancellationToken)).SingleOrDefault();
    }

    /// <summary>When the window is over, or the batch's end was asked for, lines that wait become no jobs any more.</summary>
    public async Task GiveUpAsync(Batch batch, string key, CancellationToken cancellationToken)
    {
        await using var command = For(batch, GiveUpSql);
        command.Parameters.AddWithValue("key", key);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Every line has ended: notes where the files are written, so that whoever goes on finds what is half done.</summary>
    public Task<bool> FinalizeAsync(Batch batch, Guid output, Guid error, CancellationToken cancellationToken) =>
        WithFilesAsync(batch, FinalizeSql, output, error, cancellationToken);

    /// <summary>The batch is over.</summary>
    public Task<bool> EndAsync(Batch batch, Guid? output, Guid? error, CancellationToken cancellationToken) =>
        WithFilesAsync(batch, EndSql, output, error, cancellationToken);

    private async Task<bool> WithFilesAsync(Batch batch, string sql, Guid? output, Guid? error, CancellationToken cancellationToken)
    {
        await using var command = For(batch, sql);
        command.Parameters.AddWithValue("output", NpgsqlDbType.Uuid, (object?)output ?? DBNull.Value);
        command.Parameters.AddWithValue("error", NpgsqlDbType.Uuid, (object?)error ?? DBNull.Value);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    private NpgsqlCommand For(Batch batch, string sql)
    {
        var command = database.CreateCommandFor(batch.TenantId, sql);
        command.Parameters.AddWithValue("id", batch.Id);
        command.Parameters.AddWithValue("tenant_id", batch.TenantId);
        command.Parameters.AddWithValue("holder", _holder);
        return command;
    }

    private static BatchLine ReadLine(NpgsqlDataReader row) =>
        new(row.GetInt32(0), row.GetString(1), row.GetInt64(2), row.GetInt32(3))
        {
            State = (LineState)row.GetInt16(4),
            JobId = row.Id(5),
            StatusCode = row.IsDBNull(6) ? null : row.GetInt16(6),
            Error = row.Text(7),
        };
}
