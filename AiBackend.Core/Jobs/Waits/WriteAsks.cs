using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>Processing → WaitingForTool or WaitingForReview: lease and slot are free, and the attempt does not count as a try.</summary>
/// <remarks>A statement of its own beside the one that ends attempts, which every job pays and few jobs need.</remarks>
internal static class WriteAsks
{
    public const string Sql = $"""
        WITH input AS (
            SELECT * FROM unnest(
                @id, @epoch, @after_seq, @last_seq, @status, @outcome, @text, @question, @timeout, @on_timeout, @error_code, @error_class,
                @error_message, @provider, @model, @model_version, @fallbacks, @simulated, @input_tokens, @cached_tokens,
                @output_tokens, @reasoning_tokens, @cost_usd, @first_token_after, @calls, @cache, @checks, @context)
                AS t (id, epoch, after_seq, last_seq, status, outcome, text, question, timeout, on_timeout, error_code, error_class,
                      error_message, provider, model, model_version, fallbacks, simulated, input_tokens, cached_tokens,
                      output_tokens, reasoning_tokens, cost_usd, first_token_after, calls, cache, checks, context)
        ), fenced AS (
            UPDATE jobs j
               SET status = i.status, last_seq = i.last_seq, lease_until = NULL, due_at = now(), excused = j.excused + 1,
                   waiting_reason = NULL, began_at = coalesce(j.began_at, j.claimed_at)
              FROM input i
             WHERE j.id = i.id AND j.status::int = 2 AND j.lease_epoch = i.epoch AND j.last_seq = i.after_seq
            RETURNING j.id, j.tenant_id, j.attempt, j.worker_id, j.claimed_at
        ), attempts AS (
            {PostgresJobStore.RecordAttemptsSql}
        ), waits AS (
            INSERT INTO job_waits (job_id, attempt, tenant_id, kind, schema_version, question, proposal, on_timeout, timeout_at)
            SELECT f.id, f.attempt, f.tenant_id, CASE i.status WHEN 3 THEN 1 ELSE 2 END, @schema_version, i.question, i.text,
                   i.on_timeout, now() + i.timeout
              FROM fenced f JOIN input i ON i.id = f.id
        ), events AS (
            {PostgresJobStore.RecordEventsSql}
        )
        SELECT id FROM fenced
        """;

    public static void AddQuestions(NpgsqlParameterCollection parameters, IReadOnlyList<LeasedWrite> asks)
    {
        parameters.AddColumn("question", NpgsqlDbType.Text, asks, write => write.End!.Question!.Question);
        parameters.AddColumn("timeout", NpgsqlDbType.Interval, asks, write => write.End!.Question!.Timeout);
        parameters.AddColumn("on_timeout", NpgsqlDbType.Smallint, asks, write => (short)write.End!.Question!.OnTimeout);
    }
}
