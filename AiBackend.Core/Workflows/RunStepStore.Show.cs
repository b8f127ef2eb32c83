using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Workflows;

/// <summary>Steps as callers see them.</summary>
public sealed partial class RunStepStore
{
    private const string ShowSql = """
        SELECT s.name, s.item, s.state, s.job_id, s.output, s.error, s.started_at, s.ended_at, r.status >= 6,
               (SELECT json_build_array(json_build_object('file', f.id, 'name', f.name, 'media_type', f.media_type, 'bytes', f.bytes))::text
                  FROM jobs j JOIN files f ON f.id = artifact_of(j.id)
                 WHERE j.id = s.job_id AND j.writes_artifact AND j.status = 6 AND f.tenant_id = s.tenant_id AND f.expires_at > now()),
               coalesce(s.checks, (SELECT a.checks FROM job_attempts a WHERE a.job_id = s.job_id AND a.checks IS NOT NULL ORDER BY a.attempt DESC LIMIT 1))
          FROM workflow_steps s JOIN jobs r ON r.id = s.run_id
         WHERE s.run_id = @run_id AND s.tenant_id = @tenant_id
           AND (@name IS NULL OR (s.started_at, s.name, s.item) > (SELECT a.started_at, a.name, a.item FROM workflow_steps a
                                                                    WHERE a.run_id = @run_id AND a.name = @name AND a.item = @item))
         ORDER BY s.started_at, s.name, s.item LIMIT @limit
        """;

    /// <param name="tenantId">Whose run it is.</param>
    /// <param name="runId">The run.</param>
    /// <param name="after">The last step of the page before; null begins with the first.</param>
    /// <param name="limit">Steps on the page.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Steps as callers see them.</returns>
    public async Task<List<RunStepState>> ShowAsync(
        Guid tenantId,
        Guid runId,
        (string Name, int? Item)? after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, ShowSql);
        command.Parameters.AddWithValue("run_id", runId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", NpgsqlDbType.Text, (object?)after?.Name ?? DBNull.Value);
        command.Parameters.AddWithValue("item", after?.Item ?? -1);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Show, cancellationToken);
    }

    private static RunStepState Show(NpgsqlDataReader row)
    {
        var status = (StepStatus)row.GetInt16(2);
        // Nobody takes in any more what was under way when the run ended.
        var isTooLate = status == StepStatus.Running && row.GetBoolean(8);
        return new RunStepState
        {
            Name = row.GetString(0),
            Index = ItemOf(row),
            Status = status switch
            {
                StepStatus.Succeeded => RunStepStatuses.Succeeded,
                StepStatus.Failed => RunStepStatuses.Failed,
                StepStatus.Skipped => RunStepStatuses.Skipped,
                _ => isTooLate ? RunStepStatuses.Failed : RunStepStatuses.Running,
            },
            JobId = row.Id(3),
            Output = status == StepStatus.Succeeded && row.Text(4) is { } value ? StepValues.Read(value) : null,
            Artifacts = row.Text(9) is { } files ? JsonSerializer.Deserialize(files, WireJson.Default.IReadOnlyListJobFile) : null,
            Contract = ContractChecksJson.Verdict(row.Text(10)),
            Error = isTooLate ? TooLate : row.Text(5),
            StartedAt = row.GetFieldValue<DateTimeOffset>(6),
            EndedAt = row.Moment(7),
        };
    }
}
