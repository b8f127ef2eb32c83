using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Tools.Calls;

/// <summary>Reads what was called for a job.</summary>
public sealed class ToolCallReads(NpgsqlDataSource database)
{
    internal const string Sql = """
        SELECT round, position, attempt, call_id, tool, version, effect, arguments, effect_id, state, result, said, tokens, cost_usd,
               asked_attempt, recorded_at, sent_at, ended_at
          FROM job_tool_calls WHERE job_id = @job_id AND tenant_id = @tenant_id ORDER BY round, position
        """;

    /// <returns>In order; none when the tenant has no such job.</returns>
    public async Task<IReadOnlyList<ToolCall>> ListAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, Sql);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    internal static ToolCall Read(NpgsqlDataReader row) =>
        new()
        {
            Round = row.GetInt16(0),
            Position = row.GetInt16(1),
            Attempt = row.GetInt16(2),
            CallId = row.GetString(3),
            Tool = row.GetString(4),
            Version = row.GetInt32(5),
            Effect = row.IsDBNull(6) ? null : (ToolEffect)row.GetInt16(6),
            Arguments = row.GetString(7),
            EffectId = row.GetString(8),
            State = (ToolCallState)row.GetInt16(9),
            Result = row.IsDBNull(10) ? null : row.GetString(10),
            Said = row.IsDBNull(11) ? null : row.GetString(11),
            Tokens = row.GetInt64(12),
            CostUsd = row.IsDBNull(13) ? null : row.GetDecimal(13),
            AskedAttempt = row.IsDBNull(14) ? null : row.GetInt16(14),
            RecordedAt = row.GetFieldValue<DateTimeOffset>(15),
            SentAt = row.IsDBNull(16) ? null : row.GetFieldValue<DateTimeOffset>(16),
            EndedAt = row.IsDBNull(17) ? null : row.GetFieldValue<DateTimeOffset>(17),
        };
}
