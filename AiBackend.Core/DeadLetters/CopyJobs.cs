using AiBackend.Core.Jobs;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters;

/// <summary>The part of a statement that makes new jobs of ended ones.</summary>
internal static class CopyJobs
{
    /// <summary>
    /// Continues a <c>WITH</c> that has <c>chosen (old_id, new_id, tenant_id, model, input, title, trace_parent, terms)</c>, where null keeps
    /// what the old job has. Whoever chooses has seen that the old job ended and that its payload exists. Ends with
    /// <c>inserted (id)</c>.
    /// </summary>
    /// <remarks>A deadline that has passed is left out: the new job could not even start.</remarks>
    public const string Ctes = """
        source AS MATERIALIZED (
            SELECT c.new_id, c.old_id, j.tenant_id, j.type, greatest(j.priority, @highest_priority) AS priority, coalesce(c.model, j.model) AS model, j.max_attempts, j.expected_tokens, j.expected_length,
                   -- Runs and their steps at tools and people ask no model, and are in the default pool whatever it is.
                   CASE WHEN j.type::int IN (3, 4, 5) THEN 'default' ELSE coalesce(@pool, j.pool) END AS pool, j.conversation_id, j.summary_of, j.writes_artifact,
                   CASE WHEN j.deadline > now() THEN j.deadline END AS deadline,
                   CASE WHEN c.input IS NULL THEN p.schema_version ELSE @schema_version END AS schema_version,
                   coalesce(c.input, p.input) AS input, CASE WHEN c.input IS NULL THEN p.title ELSE c.title END AS title,
                   p.feature, p.end_user, p.metadata, p.key_id, p.max_cost_usd, p.webhook_url,
                   -- Another input is no longer what the prompt made.
                   CASE WHEN c.terms IS NOT NULL THEN c.terms WHEN c.input IS NULL OR p.terms IS NULL THEN p.terms ELSE (p.terms::jsonb - 'prompt')::text END AS terms, c.trace_parent
              FROM chosen c JOIN jobs j ON j.id = c.old_id JOIN job_payloads p ON p.job_id = c.old_id
             WHERE j.tenant_id = c.tenant_id AND j.status::int >= 6
        ), inserted AS (
            INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, deadline, last_seq, pool, expected_tokens, expected_length,
                              conversation_id, summary_of, writes_artifact)
            SELECT new_id, tenant_id, type, 1, priority, model, max_attempts, deadline, 1, pool, expected_tokens, expected_length, conversation_id, summary_of, writes_artifact FROM source
            RETURNING id, type
        ), payloads AS (
            INSERT INTO job_payloads (job_id, tenant_id, schema_version, input, title, feature, end_user, metadata, key_id, max_cost_usd, webhook_url,
                                      terms, trace_parent, replay_of)
            SELECT new_id, tenant_id, schema_version, input, title, feature, end_user, metadata, key_id, max_cost_usd, webhook_url,
                   terms, trace_parent, old_id
              FROM source
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT new_id, 1, 1, tenant_id, queued_event(0::smallint, priority, pool, 0::smallint) FROM source
        )
        """;

    /// <param name="parameters">Of the statement.</param>
    /// <param name="pool">Of the new jobs that ask a model when that is another one; null keeps the old ones'.</param>
    /// <param name="highest">The most urgent priority that the new jobs may have.</param>
    public static void AddTo(NpgsqlParameterCollection parameters, string? pool, JobPriority highest)
    {
        parameters.AddWithValue("highest_priority", NpgsqlDbType.Smallint, (short)highest);
        parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Version);
        parameters.AddWithValue("pool", NpgsqlDbType.Text, (object?)pool ?? DBNull.Value);
    }
}
