using System.Data;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

// The statement that makes jobs exist: keys, rows, payloads and first events of a whole batch at once.
internal sealed partial class PostgresJobStore
{
    // ON CONFLICT DO NOTHING … RETURNING feeds the other inserts: asking EXISTS per row costs ten times as much.
    // Who continues a conversation is looked at first, one conversation after the other in the order of their ids, like keys.
    // Keys are inserted in sorted order so that two nodes' batches cannot deadlock on each other's.
    private const string InsertSql = """
        WITH asked AS (
            SELECT * FROM unnest(
                @id, @tenant_id, @type, @status, @priority, @model, @max_attempts, @not_before, @deadline, @input, @title,
                @feature, @end_user, @metadata, @trace_parent, @idempotency_key, @fingerprint, @state, @pool, @key_id, @max_cost_usd,
                @expected_tokens, @expected_length, @cache_key, @eta_p50, @eta_p90, @webhook_url, @schema_version, @details, @terms,
                @conversation_id, @is_refused_when_open, @summary_of, @replay_of, @writes_artifact)
                AS t (id, tenant_id, type, status, priority, model, max_attempts, not_before, deadline, input, title,
                      feature, end_user, metadata, trace_parent, idempotency_key, fingerprint, state, pool, key_id, max_cost_usd,
                      expected_tokens, expected_length, cache_key, eta_p50, eta_p90, webhook_url, schema_version, details, terms, conversation_id, is_refused_when_open, summary_of, replay_of, writes_artifact)
        ), kept_out AS MATERIALIZED (
            SELECT id, open_job FROM (
                SELECT id, is_refused_when_open,
                       coalesce(nullif(open_turn(tenant_id, conversation_id), id), nullif(first_value(id) OVER (PARTITION BY conversation_id ORDER BY id), id)) AS open_job
                  FROM asked WHERE conversation_id IS NOT NULL) turns
             WHERE is_refused_when_open AND open_job IS NOT NULL
        ), input AS (
            SELECT * FROM asked WHERE NOT is_refused_when_open OR id NOT IN (SELECT id FROM kept_out)
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
            INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, due_at, deadline, last_seq, pool,
                              expected_tokens, expected_length, eta_p50, eta_p90, conversation_id, summary_of, writes_artifact)
            SELECT id, tenant_id, type, status, priority, model, max_attempts, coalesce(not_before, now()), deadline, 1, pool,
                   expected_tokens, expected_length, eta_p50, eta_p90, conversation_id, summary_of, writes_artifact
              FROM accepted
        ), payloads AS (
            INSERT INTO job_payloads (job_id, tenant_id, schema_version, input, title, feature, end_user, metadata, trace_parent, key_id, max_cost_usd,
                                      cache_key, webhook_url, details, terms, replay_of)
            SELECT id, tenant_id, schema_version, input, title, feature, end_user, metadata, trace_parent, key_id, max_cost_usd, cache_key,
                   webhook_url, details, terms, replay_of
              FROM accepted
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, 1, 1, tenant_id, state FROM accepted
        )
        SELECT now(), ARRAY(SELECT job_id FROM keys), ARRAY(SELECT id FROM kept_out), ARRAY(SELECT open_job FROM kept_out)
        """;

    private static readonly string ActingSql = TenantWall.ActingFor(InsertSql);

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

    // None: callers share the batch, and one that leaves must not end it; the command timeout bounds it.
    public Task<InsertResult> InsertAsync(IReadOnlyList<JobDraft> drafts) =>
        TransientRetry.RunAsync(_ => InsertOnceAsync(drafts), CancellationToken.None);

    private async Task<InsertResult> InsertOnceAsync(IReadOnlyList<JobDraft> drafts)
    {
        await using var command = await HotCommand.OpenAsync(
            hot,
            ActingSql,
            parameters => AddDrafts(parameters, drafts),
            CancellationToken.None
        );
        var sent = command.Command.ExecuteReaderAsync(CommandBehavior.SingleRow);
        FaultPoints.Hit(FaultPoint.K2);
        await using var reader = await sent;
        await reader.ReadAsync();
        return ReadInsert(reader);
    }

    public async Task<DateTimeOffset> ReadCreatedAtAsync(Guid tenantId, Guid jobId)
    {
        await using var command = hot.CreateCommandFor(tenantId, "SELECT created_at FROM jobs WHERE id = @id");
        command.Parameters.AddWithValue("id", jobId);
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync())!);
    }

    public async Task<KeyUse?> FindKeyAsync(Guid tenantId, string key, CancellationToken cancellationToken)
    {
        await using var command = hot.CreateCommandFor(tenantId, RepeatSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("key", key);
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ReadKeyUse(reader) : null;
    }

    private static InsertResult ReadInsert(NpgsqlDataReader reader) =>
        new(reader.GetFieldValue<DateTimeOffset>(0), reader.GetFieldValue<Guid[]>(1).ToHashSet())
        {
            KeptOut = reader.GetFieldValue<Guid[]>(2).Zip(reader.GetFieldValue<Guid[]>(3)).ToDictionary(),
        };

    private static KeyUse ReadKeyUse(NpgsqlDataReader reader) =>
        new(reader.GetGuid(0), reader.GetFieldValue<byte[]>(1), reader.GetBoolean(2));

    public async Task ForgetKeyAsync(Guid tenantId, string key, Guid jobId)
    {
        await using var command = hot.CreateCommandFor(tenantId, ForgetSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("key", key);
        command.Parameters.AddWithValue("job_id", jobId);
        await command.ExecuteNonQueryAsync();
    }

    private static void AddDrafts(NpgsqlParameterCollection parameters, IReadOnlyList<JobDraft> drafts)
    {
        void Column<T>(string name, NpgsqlDbType type, Func<JobDraft, T> value) => parameters.AddColumn(name, type, drafts, value);

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
        Column("pool", NpgsqlDbType.Text, draft => draft.Pool);
        Column("expected_tokens", NpgsqlDbType.Integer, draft => draft.ExpectedTokens);
        Column("expected_length", NpgsqlDbType.Smallint, draft => draft.ExpectedLength);
        Column("eta_p50", NpgsqlDbType.Real, draft => (float?)draft.Place?.EtaP50);
        Column("eta_p90", NpgsqlDbType.Real, draft => (float?)draft.Place?.EtaP90);
        Column("key_id", NpgsqlDbType.Text, draft => draft.KeyId);
        Column("cache_key", NpgsqlDbType.Bytea, draft => draft.CacheKey);
        Column("webhook_url", NpgsqlDbType.Text, draft => draft.WebhookUrl);
        Column("max_cost_usd", NpgsqlDbType.Numeric, draft => draft.MaxCostUsd);
        Column("schema_version", NpgsqlDbType.Smallint, draft => draft.InputVersion);
        Column("details", NpgsqlDbType.Text, draft => draft.Details);
        Column("terms", NpgsqlDbType.Text, draft => draft.Terms);
        Column("conversation_id", NpgsqlDbType.Uuid, draft => draft.ConversationId);
        Column("replay_of", NpgsqlDbType.Uuid, draft => draft.ReplayOf);
        Column("summary_of", NpgsqlDbType.Uuid, draft => draft.SummaryOf);
        Column("writes_artifact", NpgsqlDbType.Boolean, draft => draft.WritesArtifact);
        Column("is_refused_when_open", NpgsqlDbType.Boolean, draft => draft.IsRefusedWhenOthersAreOpen);
        parameters.AddTenants([.. drafts.Select(draft => draft.TenantId).Distinct()]);
    }

    private static byte[] FirstState(JobDraft draft) =>
        draft.NotBefore is { } due
            ? JobEventPayload.Of(new StateEvent(JobStatuses.Scheduled, 0, WaitingReasons.Scheduled, due.ToUniversalTime()))
        : draft.Place is { } place
            ? JobEventPayload.Of(
                new StateEvent(JobStatuses.Queued, 0, place.WaitingReason, null, place.Position, place.EtaP50, place.EtaP90)
            )
        : QueuedState;
}
