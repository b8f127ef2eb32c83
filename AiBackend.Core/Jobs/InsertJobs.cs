using System.Data;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

/// <summary>The statement that makes jobs exist: keys, rows, payloads and first events of a whole batch at once.</summary>
internal sealed class InsertJobs(NpgsqlDataSource database)
{
    // ON CONFLICT DO NOTHING … RETURNING feeds the other inserts: asking EXISTS per row costs ten times as much.
    // Keys are inserted in sorted order so that two nodes' batches cannot deadlock on each other's.
    private const string Sql = """
        WITH input AS (
            SELECT * FROM unnest(
                @id, @tenant_id, @type, @status, @priority, @model, @max_attempts, @not_before, @deadline, @input, @title,
                @feature, @end_user, @metadata, @trace_parent, @idempotency_key, @fingerprint, @state)
                AS t (id, tenant_id, type, status, priority, model, max_attempts, not_before, deadline, input, title,
                      feature, end_user, metadata, trace_parent, idempotency_key, fingerprint, state)
        ), keys AS (
            INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, job_id, expires_at)
            SELECT tenant_id, 'jobs', idempotency_key, fingerprint, id, now() + interval '24 hours'
              FROM input WHERE idempotency_key IS NOT NULL
             ORDER BY tenant_id, idempotency_key
            ON CONFLICT DO NOTHING
            RETURNING job_id
        ), accepted AS MATERIALIZED (
            SELECT * FROM input WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM keys)
        ), inserted AS (
            INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, due_at, deadline, last_seq)
            SELECT id, tenant_id, type, status, priority, model, max_attempts, coalesce(not_before, now()), deadline, 1
              FROM accepted
        ), payloads AS (
            INSERT INTO job_payloads (job_id, tenant_id, schema_version, input, title, feature, end_user, metadata, trace_parent)
            SELECT id, tenant_id, @schema_version, input, title, feature, end_user, metadata, trace_parent
              FROM accepted
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, 1, 1, tenant_id, state FROM accepted
        )
        SELECT now(), ARRAY(SELECT job_id FROM keys)
        """;

    private const string RepeatSql = """
        SELECT job_id, fingerprint, expires_at < now()
          FROM idempotency_keys WHERE tenant_id = @tenant_id AND route = 'jobs' AND key = @key
        """;

    // The guard names the job of then: of two requests that find the same expired key, one deletes it and both insert anew.
    private const string ForgetSql = """
        DELETE FROM idempotency_keys
         WHERE tenant_id = @tenant_id AND route = 'jobs' AND key = @key AND job_id = @job_id AND expires_at < now()
        """;

    private static readonly byte[] QueuedState = JobEventPayload.Of(new StateEvent(JobStatuses.Queued, 0));

    public async Task<InsertResult> RunAsync(IReadOnlyList<PendingSubmission> batch)
    {
        // None: callers share the batch, and one that leaves must not end it; the command timeout bounds it.
        await using var hot = await HotCommand.OpenAsync(
            database,
            Sql,
            parameters => AddParameters(parameters, batch),
            CancellationToken.None
        );
        await using var reader = await hot.Command.ExecuteReaderAsync(CommandBehavior.SingleRow);
        await reader.ReadAsync();
        return ReadResult(reader);
    }

    public async Task<DateTimeOffset> ReadCreatedAtAsync(Guid jobId)
    {
        await using var command = database.CreateCommand("SELECT created_at FROM jobs WHERE id = @id");
        command.Parameters.AddWithValue("id", jobId);
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync())!);
    }

    /// <summary>Answers submissions whose key exists: the job of then, a clash, or, when the key has expired, a new job.</summary>
    public async Task ResolveRepeatsAsync(IReadOnlyList<PendingSubmission> repeats)
    {
        foreach (var repeat in repeats)
        {
            try
            {
                repeat.Complete(await ResolveAsync(repeat));
            }
            catch (Exception failure)
            {
                // Safe to go on: each repeat is its own caller.
                repeat.Fail(failure);
            }
        }
    }

    private async Task<SubmitOutcome> ResolveAsync(PendingSubmission repeat)
    {
        var draft = repeat.Draft;
        while (true)
        {
            // None: one caller that leaves must not end the batch it shares; the command timeout bounds it.
            if (await FindAsync(draft, CancellationToken.None) is not { } earlier)
            {
                // The key expired and is gone: this request is a new one.
                var result = await RunAsync([repeat]);
                if (result.Accepted.Contains(draft.Id))
                {
                    return new SubmitOutcome.Accepted(result.CreatedAt);
                }
            }
            else if (earlier.JobId == draft.Id)
            {
                // Its own key: the batch was committed and only its reply was lost.
                return new SubmitOutcome.Accepted(await ReadCreatedAtAsync(draft.Id));
            }
            else if (!earlier.Expired)
            {
                return earlier.OutcomeFor(draft);
            }
            else
            {
                await ForgetAsync(draft, earlier.JobId);
            }
        }
    }

    /// <returns>What a repeat of an earlier request is told; null when the key is new or has expired.</returns>
    public async Task<SubmitOutcome?> FindRepeatAsync(JobDraft draft, CancellationToken cancellationToken) =>
        await FindAsync(draft, cancellationToken) is { Expired: false } earlier ? earlier.OutcomeFor(draft) : null;

    private async Task<EarlierUse?> FindAsync(JobDraft draft, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(RepeatSql);
        command.Parameters.AddWithValue("tenant_id", draft.TenantId);
        command.Parameters.AddWithValue("key", draft.IdempotencyKey!);
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ReadEarlierUse(reader) : null;
    }

    private static InsertResult ReadResult(NpgsqlDataReader reader) =>
        new(reader.GetFieldValue<DateTimeOffset>(0), [.. reader.GetFieldValue<Guid[]>(1)]);

    private static EarlierUse ReadEarlierUse(NpgsqlDataReader reader) =>
        new(reader.GetGuid(0), reader.GetFieldValue<byte[]>(1), reader.GetBoolean(2));

    private async Task ForgetAsync(JobDraft draft, Guid jobId)
    {
        await using var command = database.CreateCommand(ForgetSql);
        command.Parameters.AddWithValue("tenant_id", draft.TenantId);
        command.Parameters.AddWithValue("key", draft.IdempotencyKey!);
        command.Parameters.AddWithValue("job_id", jobId);
        await command.ExecuteNonQueryAsync();
    }

    private static void AddParameters(NpgsqlParameterCollection parameters, IReadOnlyList<PendingSubmission> batch)
    {
        void Column<T>(string name, NpgsqlDbType type, Func<JobDraft, T> value) =>
            parameters.AddColumn(name, type, batch, submission => value(submission.Draft));

        Column("id", NpgsqlDbType.Uuid, draft => draft.Id);
        Column("tenant_id", NpgsqlDbType.Uuid, draft => draft.TenantId);
        Column("type", NpgsqlDbType.Smallint, draft => (short)draft.Type);
        Column("status", NpgsqlDbType.Smallint, draft => (short)(draft.NotBefore is null ? JobStatus.Queued : JobStatus.Scheduled));
        Column("priority", NpgsqlDbType.Smallint, draft => (short)draft.Priority);
        Column("model", NpgsqlDbType.Text, draft => draft.Model);
        Column("max_attempts", NpgsqlDbType.Smallint, draft => (short)draft.MaxAttempts);
        Column("not_before", NpgsqlDbType.TimestampTz, draft => draft.NotBefore?.ToUniversalTime());
        Column("deadline", NpgsqlDbType.TimestampTz, draft => draft.Deadline?.ToUniversalTime());
        Column("input", NpgsqlDbType.Text, draft => draft.Input);
        Column("title", NpgsqlDbType.Text, draft => draft.Title);
        Column("feature", NpgsqlDbType.Text, draft => draft.Feature);
        Column("end_user", NpgsqlDbType.Text, draft => draft.EndUser);
        Column("metadata", NpgsqlDbType.Text, draft => draft.Metadata);
        Column("trace_parent", NpgsqlDbType.Text, draft => draft.TraceParent);
        Column("idempotency_key", NpgsqlDbType.Text, draft => draft.IdempotencyKey);
        Column("fingerprint", NpgsqlDbType.Bytea, draft => draft.Fingerprint);
        Column("state", NpgsqlDbType.Text, FirstState);
        parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Version);
    }

    private static byte[] FirstState(JobDraft draft) =>
        draft.NotBefore is { } due
            ? JobEventPayload.Of(new StateEvent(JobStatuses.Scheduled, 0, WaitingReasons.Scheduled, due.ToUniversalTime()))
            : QueuedState;

    private sealed record EarlierUse(Guid JobId, byte[] Fingerprint, bool Expired)
    {
        public SubmitOutcome OutcomeFor(JobDraft draft) =>
            Fingerprint.AsSpan().SequenceEqual(draft.Fingerprint) ? new SubmitOutcome.Replayed(JobId) : new SubmitOutcome.KeyReused(JobId);
    }
}

/// <summary>What an insert did.</summary>
/// <param name="CreatedAt">Postgres' time of the transaction.</param>
/// <param name="Accepted">Of the drafts with a key, those that were inserted.</param>
internal sealed record InsertResult(DateTimeOffset CreatedAt, HashSet<Guid> Accepted);
