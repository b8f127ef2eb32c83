using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Waits;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

/// <summary>The fenced statements of running jobs: append events, and end attempts.</summary>
/// <remarks>
/// The guard is state, lease epoch and the number of the latest event. The number makes a repeat after a lost connection
/// harmless: if the first try was committed, the guard no longer holds and the row's numbers prove it.
/// </remarks>
internal sealed class WriteLeasedJobs(IJobStore store)
{
    /// <returns>The jobs whose write is committed; for those missing the lease has passed on.</returns>
    public async Task<IReadOnlySet<Guid>> RunAsync(IReadOnlyList<LeasedWrite> writes, bool mayHaveBeenApplied)
    {
        var written = new HashSet<Guid>(writes.Count);
        if (mayHaveBeenApplied)
        {
            written.UnionWith(await store.FindAppliedAsync(writes));
            writes = [.. writes.Where(write => !written.Contains(write.Lease.JobId))];
        }

        // Two transactions, each locking its rows in id order. One for both would lock the ends after all appends, out of order
        // with the renewal of the same leases, and the two would deadlock.
        var appends = writes.Where(write => write.End is null).ToList();
        if (appends.Count > 0)
        {
            written.UnionWith(await store.AppendAsync(appends));
        }

        var ends = writes.Where(write => write.End is not null).ToList();
        if (ends.Count > 0)
        {
            written.UnionWith(await store.EndAsync(ends));
        }

        return written;
    }
}

internal sealed partial class PostgresJobStore
{
    /// <summary>Rows of the attempts that <c>fenced</c> says have ended, as <c>input</c> tells them.</summary>
    internal const string RecordAttemptsSql = """
        INSERT INTO job_attempts (job_id, attempt, tenant_id, worker_id, outcome, started_at, first_token_at, provider, model,
                                  model_version, fallbacks, simulated, input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd,
                                  error_code, error_class, error_message, calls, cache, checks, context)
        SELECT f.id, f.attempt, f.tenant_id, f.worker_id, i.outcome, f.claimed_at, f.claimed_at + i.first_token_after,
               i.provider, i.model, i.model_version, i.fallbacks, i.simulated, i.input_tokens, i.cached_tokens,
               i.output_tokens, i.reasoning_tokens, i.cost_usd, i.error_code, i.error_class, i.error_message, i.calls, i.cache, i.checks,
               i.context
          FROM fenced f JOIN input i ON i.id = f.id
        """;

    /// <summary>The new events of the jobs that <c>fenced</c> returned.</summary>
    internal const string RecordEventsSql = """
        INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
        SELECT e.id, e.seq, e.kind, f.tenant_id, e.data
          FROM unnest(@event_id, @event_seq, @event_kind, @event_data) AS e (id, seq, kind, data)
          JOIN fenced f ON f.id = e.id
        """;

    private const string AppendSql = $"""
        WITH fenced AS (
            UPDATE jobs j SET last_seq = i.last_seq
              FROM unnest(@id, @epoch, @after_seq, @last_seq) AS i (id, epoch, after_seq, last_seq)
             WHERE j.id = i.id AND j.status::int = 2 AND j.lease_epoch = i.epoch AND j.last_seq = i.after_seq
            RETURNING j.id, j.tenant_id
        ), events AS (
            {RecordEventsSql}
        )
        SELECT id FROM fenced
        """;

    private const string EndSql = $"""
        WITH input AS (
            SELECT * FROM unnest(
                @id, @epoch, @after_seq, @last_seq, @status, @outcome, @retry_delay, @text, @error_code, @error_class,
                @error_message, @provider, @model, @model_version, @fallbacks, @simulated, @input_tokens, @cached_tokens,
                @output_tokens, @reasoning_tokens, @cost_usd, @first_token_after, @calls, @waiting_reason, @cache, @tool_calls,
                @finish_reason, @checks, @context, @eta_p50, @eta_p90)
                AS t (id, epoch, after_seq, last_seq, status, outcome, retry_delay, text, error_code, error_class,
                      error_message, provider, model, model_version, fallbacks, simulated, input_tokens, cached_tokens,
                      output_tokens, reasoning_tokens, cost_usd, first_token_after, calls, waiting_reason, cache, tool_calls, finish_reason, checks,
                      context, eta_p50, eta_p90)
        ), fenced AS (
            UPDATE jobs j
               SET status = i.status, last_seq = i.last_seq, lease_until = NULL,
                   finished_at = CASE WHEN i.status >= 6 THEN now() END,
                   due_at = CASE WHEN i.status >= 6 THEN j.due_at ELSE now() + coalesce(i.retry_delay, interval '0') END,
                   limited_since = CASE WHEN i.status = 1 THEN j.limited_since
                                        WHEN i.waiting_reason LIKE 'rate_limit:%'
                                        THEN CASE WHEN j.waiting_reason LIKE 'rate_limit:%' THEN coalesce(j.limited_since, now()) ELSE now() END END,
                   began_at = coalesce(j.began_at, CASE WHEN i.status <> 5 THEN j.claimed_at
                                                        WHEN i.waiting_reason LIKE 'rate_limit:%' OR i.outcome = 5 AND i.waiting_reason <> 'steps' THEN NULL
                                                        ELSE j.claimed_at END),
                   eta_p50 = coalesce(j.eta_p50, extract(epoch FROM now() - j.created_at) + i.eta_p50),
                   eta_p90 = coalesce(j.eta_p90, extract(epoch FROM now() - j.created_at) + i.eta_p90),
                   excused = j.excused + CASE WHEN i.outcome = 5 OR i.status = 5 AND i.error_class = 'rate_limited' THEN 1 ELSE 0 END,
                   error_code = i.error_code, error_class = i.error_class, error_message = i.error_message,
                   -- Given back: what the attempt was a retry of has still failed.
                   waiting_reason = CASE WHEN i.status = 1 THEN j.waiting_reason ELSE i.waiting_reason END
              FROM input i
             WHERE j.id = i.id AND j.status::int = 2 AND j.lease_epoch = i.epoch AND j.last_seq = i.after_seq
            RETURNING j.id, j.tenant_id, j.attempt, j.worker_id, j.claimed_at
        ), attempts AS (
            {RecordAttemptsSql}
        ), outputs AS (
            INSERT INTO job_outputs (job_id, tenant_id, schema_version, text, missing, tool_calls, finish_reason)
            SELECT f.id, f.tenant_id, CASE WHEN i.tool_calls IS NULL THEN 1 ELSE @schema_version END, i.text,
                   coalesce((SELECT array_agg(m.text) FROM unnest(@missing_id, @missing_text) AS m (id, text) WHERE m.id = f.id), ARRAY[]::text[]),
                   i.tool_calls, i.finish_reason
              FROM fenced f JOIN input i ON i.id = f.id WHERE i.text IS NOT NULL
        ), letters AS (
            INSERT INTO dead_letters (job_id, tenant_id, class, code)
            SELECT f.id, f.tenant_id, i.error_class, i.error_code
              FROM fenced f JOIN input i ON i.id = f.id WHERE i.status = 8 AND i.error_class <> 'caller_error'
        ), events AS (
            {RecordEventsSql}
        )
        SELECT id FROM fenced
        """;

    // Only the holder of an epoch moves last_seq while it holds it, so these two numbers say whether the lost reply was a commit; a rescue
    // moves it too, which the status or the attempt's outcome tells.
    private const string AppliedSql = """
        SELECT j.id FROM jobs j JOIN unnest(@id, @epoch, @last_seq, @outcome) AS i (id, epoch, last_seq, outcome) ON j.id = i.id
         WHERE j.lease_epoch = i.epoch AND j.last_seq = i.last_seq
           AND CASE WHEN i.outcome IS NULL THEN j.status::int = 2
                    ELSE EXISTS (SELECT 1 FROM job_attempts a WHERE a.job_id = j.id AND a.attempt = j.attempt AND a.outcome = i.outcome) END
        """;

    public Task<IReadOnlySet<Guid>> FindAppliedAsync(IReadOnlyList<LeasedWrite> writes) =>
        WriteAsync(
            AppliedSql,
            parameters =>
            {
                AddLease(parameters, writes);
                parameters.AddColumn("outcome", NpgsqlDbType.Smallint, writes, write => (short?)write.End?.Outcome);
            }
        );

    public Task<IReadOnlySet<Guid>> AppendAsync(IReadOnlyList<LeasedWrite> writes) =>
        WriteAsync(
            AppendSql,
            parameters =>
            {
                AddLease(parameters, writes);
                AddEvents(parameters, writes);
            }
        );

    public async Task<IReadOnlySet<Guid>> EndAsync(IReadOnlyList<LeasedWrite> writes)
    {
        var asks = writes.Where(write => write.End is { Question: not null }).ToList();
        if (asks.Count == 0)
        {
            return await EndAsync(EndSql, writes, _ => { });
        }

        var ended = new HashSet<Guid>(await EndAsync(WriteAsks.Sql, asks, parameters => WriteAsks.AddQuestions(parameters, asks)));
        if (asks.Count < writes.Count)
        {
            ended.UnionWith(await EndAsync(EndSql, [.. writes.Except(asks)], _ => { }));
        }

        return ended;
    }

    private Task<IReadOnlySet<Guid>> EndAsync(string sql, IReadOnlyList<LeasedWrite> writes, Action<NpgsqlParameterCollection> addMore) =>
        WriteAsync(
            sql,
            parameters =>
            {
                AddLease(parameters, writes);
                AddEvents(parameters, writes);
                AddEnds(parameters, writes);
                addMore(parameters);
            }
        );

    // None: what the attempts have to say outlives whoever asked; the command timeout bounds it.
    private Task<IReadOnlySet<Guid>> WriteAsync(string sql, Action<NpgsqlParameterCollection> fill) =>
        TransientRetry.RunAsync(_ => WriteOnceAsync(sql, fill), CancellationToken.None);

    private async Task<IReadOnlySet<Guid>> WriteOnceAsync(string sql, Action<NpgsqlParameterCollection> fill)
    {
        await using var command = await HotCommand.OpenAsync(hot, sql, fill, CancellationToken.None);
        await using var reader = await command.Command.ExecuteReaderAsync();
        var ids = new HashSet<Guid>();
        while (await reader.ReadAsync())
        {
            ids.Add(reader.GetGuid(0));
        }

        return ids;
    }

    private static void AddLease(NpgsqlParameterCollection parameters, IReadOnlyList<LeasedWrite> writes)
    {
        parameters.AddColumn("id", NpgsqlDbType.Uuid, writes, write => write.Lease.JobId);
        parameters.AddColumn("epoch", NpgsqlDbType.Integer, writes, write => write.Lease.Epoch);
        parameters.AddColumn("after_seq", NpgsqlDbType.Integer, writes, write => write.AfterSeq);
        parameters.AddColumn("last_seq", NpgsqlDbType.Integer, writes, write => write.LastSeq);
    }

    private static void AddEvents(NpgsqlParameterCollection parameters, IReadOnlyList<LeasedWrite> writes)
    {
        var count = writes.Sum(write => write.Events.Count);
        var (ids, seqs, kinds, data) = (new Guid[count], new int[count], new short[count], new byte[count][]);
        var at = 0;
        foreach (var write in writes)
        {
            var seq = write.AfterSeq;
            foreach (var pending in write.Events)
            {
                (ids[at], seqs[at], kinds[at], data[at]) = (write.Lease.JobId, ++seq, (short)pending.Kind, pending.Data);
                at++;
            }
        }

        parameters.Add(Parameter.Of("event_id", NpgsqlDbType.Uuid, ids));
        parameters.Add(Parameter.Of("event_seq", NpgsqlDbType.Integer, seqs));
        parameters.Add(Parameter.Of("event_kind", NpgsqlDbType.Smallint, kinds));
        parameters.Add(Parameter.Of("event_data", NpgsqlDbType.Text, data));
    }

    private static void AddEnds(NpgsqlParameterCollection parameters, IReadOnlyList<LeasedWrite> writes)
    {
        void Column<T>(string name, NpgsqlDbType type, Func<AttemptEnd, T> value) =>
            parameters.AddColumn(name, type, writes, write => value(write.End!));

        Column("status", NpgsqlDbType.Smallint, end => (short)end.Status);
        Column("outcome", NpgsqlDbType.Smallint, end => (short)end.Outcome);
        Column("retry_delay", NpgsqlDbType.Interval, end => end.RetryDelay);
        Column("text", NpgsqlDbType.Text, end => end.Text);
        Column("error_code", NpgsqlDbType.Text, end => end.Error?.Code);
        Column("error_class", NpgsqlDbType.Text, end => end.Error?.Class);
        Column("error_message", NpgsqlDbType.Text, end => end.Error?.Message);
        Column("provider", NpgsqlDbType.Text, end => end.ServedBy?.Provider);
        Column("model", NpgsqlDbType.Text, end => end.ServedBy?.Model);
        Column("model_version", NpgsqlDbType.Text, end => end.ServedBy?.ModelVersion);
        Column("fallbacks", NpgsqlDbType.Smallint, end => (short)(end.ServedBy?.Fallbacks ?? 0));
        Column("cache", NpgsqlDbType.Text, end => end.ServedBy is { Cache: not ServedBy.Miss } shared ? shared.Cache : null);
        Column("simulated", NpgsqlDbType.Boolean, end => end.ServedBy?.Simulated ?? false);
        Column("input_tokens", NpgsqlDbType.Bigint, end => end.Usage?.InputTokens);
        Column("cached_tokens", NpgsqlDbType.Bigint, end => end.Usage?.CachedTokens);
        Column("output_tokens", NpgsqlDbType.Bigint, end => end.Usage?.OutputTokens);
        Column("reasoning_tokens", NpgsqlDbType.Bigint, end => end.Usage?.ReasoningTokens);
        Column("cost_usd", NpgsqlDbType.Numeric, end => end.Usage?.CostUsd);
        Column("first_token_after", NpgsqlDbType.Interval, end => end.FirstTokenAfter);
        Column("calls", NpgsqlDbType.Text, AttemptCalls.ToColumn);
        Column("waiting_reason", NpgsqlDbType.Text, end => end.WaitingReason);
        Column("eta_p50", NpgsqlDbType.Real, end => (float?)end.Place?.EtaP50);
        Column("eta_p90", NpgsqlDbType.Real, end => (float?)end.Place?.EtaP90);
        Column("tool_calls", NpgsqlDbType.Text, ToolCallsJson.ToColumn);
        Column("finish_reason", NpgsqlDbType.Text, end => end.FinishReason);
        Column("checks", NpgsqlDbType.Text, ContractChecksJson.ToColumn);
        Column("context", NpgsqlDbType.Text, end => JobContextJson.ToColumn(end.Context));
        parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Tools);

        var missing = writes.SelectMany(write => write.End!.Missing.Select(text => (write.Lease.JobId, Text: text))).ToList();
        parameters.AddColumn("missing_id", NpgsqlDbType.Uuid, missing, row => row.JobId);
        parameters.AddColumn("missing_text", NpgsqlDbType.Text, missing, row => row.Text);
    }
}
