using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Workflows;

/// <summary>A step's row, and the job that does it.</summary>
/// <param name="State">As recorded.</param>
/// <param name="Job">How the step's job stands; null when it has none, or it was not submitted yet.</param>
/// <param name="Text">The job's output.</param>
/// <param name="Missing">What is missing of it.</param>
/// <param name="Error">Why the job failed.</param>
public sealed record RunStepRow(StepState State, JobStatus? Job, string? Text, IReadOnlyList<string> Missing, string? Error);

/// <summary>What became of the steps of runs (0041c_workflows.sql). What a worker writes is fenced by the lease of its run.</summary>
public sealed class RunStepStore(NpgsqlDataSource database)
{
    private const string ReadSql = """
        SELECT s.name, s.item, s.state, s.job_id, s.due_at, s.output, s.error, s.started_at, s.ended_at, j.status, o.text, o.missing, j.error_message
          FROM workflow_steps s
          LEFT JOIN jobs j ON j.id = s.job_id
          LEFT JOIN job_outputs o ON o.job_id = s.job_id
         WHERE s.run_id = @run_id AND s.tenant_id = @tenant_id ORDER BY s.started_at, s.name, s.item
        """;

    // Once begun, a step is never begun again; once ended, its end is never changed: whoever repeats this changes nothing.
    private const string WriteSql = """
        WITH fence AS (
            SELECT id, tenant_id FROM jobs WHERE id = @run_id AND status::int = 2 AND lease_epoch = @epoch FOR UPDATE
        ), input AS (
            SELECT * FROM unnest(@name, @item, @state, @job_id, @due_at, @output, @error) AS t (name, item, state, job_id, due_at, output, error)
        ), written AS (
            INSERT INTO workflow_steps AS s (run_id, name, item, tenant_id, state, job_id, due_at, output, error, ended_at)
            SELECT f.id, i.name, i.item, f.tenant_id, i.state, i.job_id, i.due_at, i.output, i.error, CASE WHEN i.state <> 1 THEN now() END
              FROM fence f, input i
            ON CONFLICT (run_id, name, item) DO UPDATE
               SET state = excluded.state, output = excluded.output, error = excluded.error, ended_at = excluded.ended_at
             WHERE s.ended_at IS NULL AND excluded.ended_at IS NOT NULL
        )
        SELECT count(*) FROM fence
        """;

    // Whoever waits for the event is let go on at once; a run that is under way sees it in its next round.
    private const string PostSql = """
        WITH posted AS (
            UPDATE workflow_steps SET state = 2, output = @data, ended_at = now()
             WHERE run_id = @run_id AND tenant_id = @tenant_id AND name = @name AND item = -1 AND state = 1 AND job_id IS NULL AND ended_at IS NULL
               AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = @run_id AND j.tenant_id = @tenant_id AND j.status::int < 6)
            RETURNING run_id
        ), woken AS (
            UPDATE jobs j SET due_at = now() FROM posted p WHERE j.id = p.run_id AND j.status::int = 5 AND j.waiting_reason = 'steps'
        )
        SELECT count(*) FROM posted
        """;

    private const string AnyOpenSql = "SELECT EXISTS (SELECT 1 FROM workflow_steps WHERE ended_at IS NULL AND job_id IS NOT NULL)";

    // Runs whose steps' jobs have ended go on.
    private const string WakeSql = """
        UPDATE jobs r SET due_at = now()
         WHERE r.status::int = 5 AND r.waiting_reason = 'steps' AND r.due_at > now()
           AND r.id IN (SELECT s.run_id FROM workflow_steps s JOIN jobs j ON j.id = s.job_id
                         WHERE s.ended_at IS NULL AND s.job_id IS NOT NULL AND j.status >= 6)
        """;

    // The jobs of runs that are over have nobody to work for.
    private const string OrphansSql = """
        SELECT j.tenant_id, j.id FROM workflow_steps s JOIN jobs r ON r.id = s.run_id JOIN jobs j ON j.id = s.job_id
         WHERE s.ended_at IS NULL AND s.job_id IS NOT NULL AND r.status >= 6 AND j.status < 6 AND NOT j.cancel_requested LIMIT 500
        """;

    // Or they would be looked at for ever.
    private const string CloseSql = """
        UPDATE workflow_steps s SET state = 3, ended_at = now(), error = 'The run was over before.'
         WHERE s.ended_at IS NULL AND (s.run_id, s.name, s.item) IN (
               SELECT o.run_id, o.name, o.item FROM workflow_steps o JOIN jobs r ON r.id = o.run_id LEFT JOIN jobs j ON j.id = o.job_id
                WHERE o.ended_at IS NULL AND o.job_id IS NOT NULL AND r.status >= 6 AND coalesce(j.status, 9) >= 6 LIMIT 500)
        """;

    /// <returns>Every step and item of a run that has begun.</returns>
    public Task<List<RunStepRow>> ReadAsync(Guid tenantId, Guid runId, CancellationToken cancellationToken) =>
        ReadAsync(tenantId, runId, Read, cancellationToken);

    /// <returns>The same, as callers see it.</returns>
    public Task<List<RunStepState>> ShowAsync(Guid tenantId, Guid runId, CancellationToken cancellationToken) =>
        ReadAsync(tenantId, runId, Show, cancellationToken);

    /// <summary>Records what began and what ended.</summary>
    /// <returns>False when the lease has passed on; then nothing was written.</returns>
    public async Task<bool> WriteAsync(Guid tenantId, JobLease run, IReadOnlyList<StepState> states, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, WriteSql);
        var parameters = command.Parameters;
        parameters.AddWithValue("run_id", run.JobId);
        parameters.AddWithValue("epoch", run.Epoch);
        parameters.AddColumn("name", NpgsqlDbType.Text, states, state => state.Name);
        parameters.AddColumn("item", NpgsqlDbType.Integer, states, state => state.Item ?? -1);
        parameters.AddColumn("state", NpgsqlDbType.Smallint, states, state => (short)state.Status);
        parameters.AddColumn("job_id", NpgsqlDbType.Uuid, states, state => state.JobId);
        parameters.AddColumn("due_at", NpgsqlDbType.TimestampTz, states, state => state.DueAt?.ToUniversalTime());
        parameters.AddColumn("output", NpgsqlDbType.Text, states, state => state.Output?.GetRawText());
        parameters.AddColumn("error", NpgsqlDbType.Text, states, state => state.Error);
        return await command.ExecuteScalarAsync(cancellationToken) is 1L;
    }

    /// <returns>Whether the run waits for this event; it has it now.</returns>
    public async Task<bool> PostAsync(Guid tenantId, Guid runId, string name, JsonElement? data, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, PostSql);
        command.Parameters.AddWithValue("run_id", runId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("data", NpgsqlDbType.Text, (object?)data?.GetRawText() ?? DBNull.Value);
        return await command.ExecuteScalarAsync(cancellationToken) is 1L;
    }

    /// <returns>Whether any step waits for a job; for the leader, who otherwise has nothing to do.</returns>
    public async Task<bool> AnyOpenAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(AnyOpenSql);
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    /// <summary>Lets runs go on whose steps have ended; for the leader.</summary>
    public async Task WakeAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(WakeSql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Ends the steps of runs that are over, when nobody works for them any more; for the leader.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(CloseSql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Jobs of runs that are over; for the leader.</returns>
    public async Task<IReadOnlyList<(Guid TenantId, Guid JobId)>> FindOrphansAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OrphansSql);
        return await command.ReadAllAsync(row => (row.GetGuid(0), row.GetGuid(1)), cancellationToken);
    }

    private async Task<List<T>> ReadAsync<T>(Guid tenantId, Guid runId, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ReadSql);
        command.Parameters.AddWithValue("run_id", runId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(read, cancellationToken);
    }

    private static RunStepRow Read(NpgsqlDataReader row) =>
        new(
            new StepState(row.GetString(0), row.GetInt32(1) is >= 0 and var item ? item : null, (StepStatus)row.GetInt16(2))
            {
                JobId = row.IsDBNull(3) ? null : row.GetGuid(3),
                DueAt = row.IsDBNull(4) ? null : row.GetFieldValue<DateTimeOffset>(4),
                Output = JsonOf(row, 5),
                Error = row.IsDBNull(6) ? null : row.GetString(6),
            },
            row.IsDBNull(9) ? null : (JobStatus)row.GetInt16(9),
            row.IsDBNull(10) ? null : row.GetString(10),
            row.IsDBNull(11) ? [] : row.GetFieldValue<string[]>(11),
            row.IsDBNull(12) ? null : row.GetString(12)
        );

    private static RunStepState Show(NpgsqlDataReader row)
    {
        var (state, _, _, _, _) = Read(row);
        return new RunStepState
        {
            Name = state.Name,
            Index = state.Item,
            Status = state.Status switch
            {
                StepStatus.Succeeded => RunStepStatuses.Succeeded,
                StepStatus.Failed => RunStepStatuses.Failed,
                StepStatus.Skipped => RunStepStatuses.Skipped,
                _ => RunStepStatuses.Running,
            },
            JobId = state.JobId,
            Output = state.Output,
            Error = state.Error,
            StartedAt = row.GetFieldValue<DateTimeOffset>(7),
            EndedAt = row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8),
        };
    }

    private static JsonElement? JsonOf(NpgsqlDataReader row, int column) =>
        row.IsDBNull(column) ? null : JsonSerializer.Deserialize(row.GetString(column), WireJson.Default.JsonElement);
}
