using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tools.Calls;

/// <summary>What an attempt finds of the attempts before.</summary>
/// <param name="Tools">The pinned versions, as far as their tools still exist.</param>
/// <param name="Calls">All calls so far, in order.</param>
public sealed record ToolsOfJob(IReadOnlyDictionary<string, ToolDefinition> Tools, IReadOnlyList<ToolCall> Calls);

/// <summary>The ledger of effects as a running job writes it. Every change is fenced by the lease, and may be repeated.</summary>
public sealed class ToolLedger(NpgsqlDataSource database)
{
    // What was taken away is called by nobody, also by jobs that were accepted before.
    private const string ToolsSql = """
        SELECT t.name, t.version, t.definition, t.secret, t.created_at, t.created_by
          FROM unnest(@names, @versions) AS p (name, version) JOIN tools t ON t.name = p.name AND t.version = p.version
         WHERE t.tenant_id = @tenant_id AND EXISTS (
               SELECT 1 FROM (SELECT definition FROM tools l WHERE l.tenant_id = t.tenant_id AND l.name = t.name ORDER BY version DESC LIMIT 1) latest
                WHERE latest.definition IS NOT NULL)
        """;

    // The lock: whoever takes the job away comes before, and then nothing is written, or after.
    private const string Fence = """
        fenced AS (
            SELECT id, tenant_id, attempt FROM jobs WHERE id = @job_id AND status::int = 2 AND lease_epoch = @epoch FOR NO KEY UPDATE
        )
        """;

    private const string RecordSql = $"""
        WITH {Fence}, added AS (
            INSERT INTO job_tool_calls (job_id, round, position, tenant_id, attempt, call_id, tool, version, effect, arguments, effect_id, state,
                                        result, said, tokens, cost_usd, ended_at)
            SELECT f.id, @round, i.position, f.tenant_id, f.attempt, i.call_id, i.tool, i.version, i.effect, i.arguments, i.effect_id, i.state,
                   i.result, CASE i.position WHEN 0 THEN @said END, CASE i.position WHEN 0 THEN @tokens ELSE 0 END,
                   CASE i.position WHEN 0 THEN @cost_usd END, CASE WHEN i.state IN (3, 4) THEN now() END
              FROM fenced f, unnest(@position, @call_id, @tool, @version, @effect, @arguments, @effect_id, @state, @result)
                             AS i (position, call_id, tool, version, effect, arguments, effect_id, state, result)
            ON CONFLICT DO NOTHING
        )
        SELECT count(*) FROM fenced
        """;

    private const string MoveSql = $"""
        WITH {Fence}, moved AS (
            UPDATE job_tool_calls c
               SET state = @state, result = coalesce(@result, c.result),
                   -- Who approved that it is sent has not said what came of it.
                   asked_attempt = CASE WHEN @state = 2 THEN @asked_attempt ELSE coalesce(@asked_attempt, c.asked_attempt) END,
                   sent_at = CASE WHEN @state = 2 THEN coalesce(c.sent_at, now()) ELSE c.sent_at END,
                   ended_at = CASE WHEN @state IN (3, 4) THEN now() END
              FROM fenced f
             WHERE c.job_id = f.id AND c.round = @round AND c.position = ANY (@position) AND c.state NOT IN (3, 4)
        )
        SELECT count(*) FROM fenced
        """;

    /// <summary>Reads the tools and what was called so far, in one round trip.</summary>
    public async Task<ToolsOfJob> ReadAsync(ClaimedJob job, IReadOnlyList<PinnedTool> pinned, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        var tools = new NpgsqlBatchCommand(ToolsSql);
        tools.Parameters.AddWithValue("tenant_id", job.TenantId);
        tools.Parameters.AddWithValue("names", pinned.Select(tool => tool.Name).ToArray());
        tools.Parameters.AddWithValue("versions", pinned.Select(tool => tool.Version).ToArray());
        batch.BatchCommands.Add(tools);
        var calls = new NpgsqlBatchCommand(ToolCallReads.Sql);
        calls.Parameters.AddWithValue("job_id", job.Lease.JobId);
        calls.Parameters.AddWithValue("tenant_id", job.TenantId);
        batch.BatchCommands.Add(calls);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var found = new Dictionary<string, ToolDefinition>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (ToolStore.Read(reader).Definition is { } definition)
            {
                found[definition.Name] = definition;
            }
        }

        await reader.NextResultAsync(cancellationToken);
        return new ToolsOfJob(found, await reader.ReadAllAsync(ToolCallReads.Read, cancellationToken));
    }

    /// <summary>Writes down a round of calls before any of them is made.</summary>
    /// <returns>False when the lease has passed on; then nothing was written.</returns>
    public async Task<bool> RecordAsync(JobLease lease, IReadOnlyList<ToolCall> calls, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(RecordSql);
        var parameters = command.Parameters;
        parameters.AddWithValue("job_id", lease.JobId);
        parameters.AddWithValue("epoch", lease.Epoch);
        parameters.AddWithValue("round", NpgsqlDbType.Smallint, (short)calls[0].Round);
        parameters.AddWithValue("said", NpgsqlDbType.Text, (object?)calls[0].Said ?? DBNull.Value);
        parameters.AddWithValue("tokens", calls[0].Tokens);
        parameters.AddWithValue("cost_usd", NpgsqlDbType.Numeric, (object?)calls[0].CostUsd ?? DBNull.Value);
        parameters.AddColumn("position", NpgsqlDbType.Smallint, calls, call => (short)call.Position);
        parameters.AddColumn("call_id", NpgsqlDbType.Text, calls, call => call.CallId);
        parameters.AddColumn("tool", NpgsqlDbType.Text, calls, call => call.Tool);
        parameters.AddColumn("version", NpgsqlDbType.Integer, calls, call => call.Version);
        parameters.AddColumn("effect", NpgsqlDbType.Smallint, calls, call => (short?)call.Effect);
        parameters.AddColumn("arguments", NpgsqlDbType.Text, calls, call => call.Arguments);
        parameters.AddColumn("effect_id", NpgsqlDbType.Text, calls, call => call.EffectId);
        parameters.AddColumn("state", NpgsqlDbType.Smallint, calls, call => (short)call.State);
        parameters.AddColumn("result", NpgsqlDbType.Text, calls, call => call.Result);
        return await command.ExecuteScalarAsync(cancellationToken) is 1L;
    }

    /// <summary>Writes down where calls of a round stand now. What has ended stays as it is.</summary>
    /// <param name="lease">The fence.</param>
    /// <param name="calls">As they stand now; all of one round and one state.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the lease has passed on; then nothing was written.</returns>
    public async Task<bool> MoveAsync(JobLease lease, IReadOnlyList<ToolCall> calls, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(MoveSql);
        command.Parameters.AddWithValue("job_id", lease.JobId);
        command.Parameters.AddWithValue("epoch", lease.Epoch);
        command.Parameters.AddWithValue("round", NpgsqlDbType.Smallint, (short)calls[0].Round);
        command.Parameters.AddColumn("position", NpgsqlDbType.Smallint, calls, call => (short)call.Position);
        command.Parameters.AddWithValue("state", NpgsqlDbType.Smallint, (short)calls[0].State);
        command.Parameters.AddWithValue("result", NpgsqlDbType.Text, (object?)calls[0].Result ?? DBNull.Value);
        command.Parameters.AddWithValue("asked_attempt", NpgsqlDbType.Smallint, (object?)(short?)calls[0].AskedAttempt ?? DBNull.Value);
        return await command.ExecuteScalarAsync(cancellationToken) is 1L;
    }
}
