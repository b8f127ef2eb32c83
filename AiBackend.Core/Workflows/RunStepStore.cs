using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Workflows;

/// <summary>A step's row, without its value, and the job that does it.</summary>
/// <param name="State">As recorded.</param>
/// <param name="Job">How the step's job stands; null when it has none, or it was not submitted yet.</param>
/// <param name="Size">Bytes of what the job gave, which the step has not taken in yet; null when it gave nothing.</param>
/// <param name="Error">Why the job failed.</param>
public sealed record RunStepRow(StepState State, JobStatus? Job, int? Size, string? Error);

/// <summary>What a step's job gave.</summary>
/// <param name="Text">Its output.</param>
/// <param name="Missing">What is missing of it.</param>
/// <param name="Terms">What was asked of it.</param>
public sealed record StepJobOutput(string Text, IReadOnlyList<string> Missing, JobTerms Terms);

/// <summary>What came of an attempt to write steps down.</summary>
public enum StepsWritten
{
    /// <summary>All of it is there.</summary>
    All,

    /// <summary>Some of it was not so any more, for example because an event came: look again.</summary>
    Some,

    /// <summary>Nothing is: the lease has passed on.</summary>
    Nothing,
}

/// <summary>What became of the steps of runs (0041c_workflows.sql). What a worker writes is fenced by the lease of its run.</summary>
/// <remarks>Whoever locks rows of a run locks its job first.</remarks>
public sealed partial class RunStepStore(NpgsqlDataSource database)
{
    /// <summary>What is said of steps that nobody took in any more.</summary>
    internal const string TooLate = "The run was over before.";

    // Of values only the sizes: there may be thousands of steps, and few are needed at a time.
    private const string ReadSql = """
        SELECT s.name, s.item, s.state, s.job_id, s.due_at, s.error, s.type, s.posted_at IS NOT NULL,
               s.output IS NOT NULL OR (s.type = 'map' AND s.item = -1 AND s.state = 2), coalesce(octet_length(s.output), 0),
               j.status, octet_length(o.text), j.error_message
          FROM workflow_steps s
          LEFT JOIN jobs j ON j.id = s.job_id
          LEFT JOIN job_outputs o ON o.job_id = s.job_id AND s.ended_at IS NULL
         WHERE s.run_id = @run_id AND s.tenant_id = @tenant_id
        """;

    private const string GivenSql = """
        SELECT o.job_id, o.text, o.missing, p.terms FROM job_outputs o JOIN job_payloads p ON p.job_id = o.job_id
         WHERE o.job_id = ANY (@ids) AND o.tenant_id = @tenant_id
        """;

    // The value of a map is the list of what its items gave, before it has ended, too: its contract is about it.
    private const string ValuesSql = """
        SELECT s.name, coalesce(s.output,
                                '[' || (SELECT string_agg(coalesce(i.output, 'null'), ',' ORDER BY i.item) FROM workflow_steps i
                                         WHERE i.run_id = s.run_id AND i.name = s.name AND i.item >= 0) || ']',
                                CASE WHEN s.type = 'map' THEN '[]' END)
          FROM workflow_steps s
         WHERE s.run_id = @run_id AND s.tenant_id = @tenant_id AND s.item = -1 AND s.name = ANY (@names)
           AND (s.state = 2 OR (s.state = 1 AND s.type = 'map'))
        """;

    // Once begun, a step is never begun again; once ended, its end is never changed: whoever repeats this changes nothing. And whoever found
    // that nobody had posted an event does not hide one that came meanwhile.
    private const string WriteSql = """
        WITH fence AS (
            SELECT id, tenant_id FROM jobs WHERE id = @run_id AND status::int = 2 AND lease_epoch = @epoch FOR UPDATE
        ), input AS (
            SELECT * FROM unnest(@name, @item, @state, @type, @job_id, @due_at, @output, @error, @checks)
                AS t (name, item, state, type, job_id, due_at, output, error, checks)
        ), written AS (
            INSERT INTO workflow_steps AS s (run_id, name, item, tenant_id, state, type, job_id, due_at, output, error, checks, ended_at)
            SELECT f.id, i.name, i.item, f.tenant_id, i.state, i.type, i.job_id, i.due_at, i.output, i.error, i.checks,
                   CASE WHEN i.state <> 1 THEN now() END
              FROM fence f, input i
            ON CONFLICT (run_id, name, item) DO UPDATE
               SET state = excluded.state, output = coalesce(excluded.output, s.output), error = excluded.error,
                   checks = excluded.checks, ended_at = excluded.ended_at
             WHERE s.ended_at IS NULL AND excluded.ended_at IS NOT NULL AND (s.posted_at IS NULL OR excluded.state = 2)
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM written)
        """;

    // With a map go its items. What was deleted meanwhile is not there, and is done again.
    private const string TakeOverSql = """
        WITH fence AS (
            SELECT id, tenant_id FROM jobs WHERE id = @run_id AND status::int = 2 AND lease_epoch = @epoch FOR UPDATE
        )
        INSERT INTO workflow_steps (run_id, name, item, tenant_id, state, type, job_id, output, error, checks, ended_at, copied)
        SELECT f.id, s.name, s.item, f.tenant_id, s.state, s.type, s.job_id, s.output, s.error, s.checks, now(), true
          FROM fence f JOIN workflow_steps s ON s.run_id = @of AND s.tenant_id = f.tenant_id
         WHERE s.name = ANY (@steps) AND s.ended_at IS NOT NULL
           AND EXISTS (SELECT 1 FROM workflow_steps w WHERE w.run_id = @of AND w.name = s.name AND w.item = -1 AND w.state = 2
                          AND (w.output IS NOT NULL OR w.type IN ('map', 'timer', 'event')))
        UNION ALL
        SELECT f.id, g.name, -1, f.tenant_id, 2, g.type, NULL, g.output, NULL, NULL, now(), true
          FROM fence f, unnest(@given, @types, @outputs) AS g (name, type, output)
        ON CONFLICT DO NOTHING
        """;

    // The run takes it in when it looks next, which the leader sees to.
    private const string PostSql = """
        UPDATE workflow_steps SET output = @data, posted_at = now()
         WHERE run_id = @run_id AND tenant_id = @tenant_id AND name = @name AND item = -1
           AND type = 'event' AND state = 1 AND ended_at IS NULL AND posted_at IS NULL AND due_at > now()
           AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = @run_id AND j.tenant_id = @tenant_id AND j.status::int < 6)
        """;

    /// <returns>Every step and item of a run that has begun.</returns>
    public async Task<List<RunStepRow>> ReadAsync(Guid tenantId, Guid runId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ReadSql);
        command.Parameters.AddWithValue("run_id", runId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <returns>What jobs of steps gave, by job.</returns>
    public async Task<IReadOnlyDictionary<Guid, StepJobOutput>> ReadGivenAsync(
        Guid tenantId,
        IReadOnlyCollection<Guid> jobs,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, GivenSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("ids", jobs.ToArray());
        var read = await command.ReadAllAsync(
            row => (row.GetGuid(0), new StepJobOutput(row.GetString(1), row.GetFieldValue<string[]>(2), JobTerms.Read(row.Text(3)))),
            cancellationToken
        );
        return read.ToDictionary();
    }

    /// <returns>What steps gave, by name; those that gave nothing are not in it.</returns>
    public async Task<IReadOnlyDictionary<string, JsonElement>> ReadValuesAsync(
        Guid tenantId,
        Guid runId,
        IReadOnlyCollection<string> names,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, ValuesSql);
        command.Parameters.AddWithValue("run_id", runId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("names", names.ToArray());
        var read = await command.ReadAllAsync(row => (Name: row.GetString(0), Value: row.Text(1)), cancellationToken);
        return read.Where(step => step.Value is not null)
            .ToDictionary(step => step.Name, step => StepValues.Read(step.Value!), StringComparer.Ordinal);
    }

    /// <summary>Records what began and what ended.</summary>
    public async Task<StepsWritten> WriteAsync(
        Guid tenantId,
        JobLease run,
        IReadOnlyList<StepState> states,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, WriteSql);
        var parameters = command.Parameters;
        parameters.AddWithValue("run_id", run.JobId);
        parameters.AddWithValue("epoch", run.Epoch);
        parameters.AddColumn("name", NpgsqlDbType.Text, states, state => state.Name);
        parameters.AddColumn("item", NpgsqlDbType.Integer, states, state => state.Item ?? -1);
        parameters.AddColumn("state", NpgsqlDbType.Smallint, states, state => (short)state.Status);
        parameters.AddColumn("type", NpgsqlDbType.Text, states, state => state.Type);
        parameters.AddColumn("job_id", NpgsqlDbType.Uuid, states, state => state.JobId);
        parameters.AddColumn("due_at", NpgsqlDbType.TimestampTz, states, state => state.DueAt?.ToUniversalTime());
        parameters.AddColumn("output", NpgsqlDbType.Text, states, state => state.Output?.GetRawText());
        parameters.AddColumn("error", NpgsqlDbType.Text, states, state => state.Error);
        parameters.AddColumn("checks", NpgsqlDbType.Text, states, state => ContractChecksJson.ToColumn(state.Check));
        var (held, written) = (await command.ReadAllAsync(row => (row.GetInt64(0), row.GetInt64(1)), cancellationToken))[0];
        return held == 0 ? StepsWritten.Nothing
            : written == states.Count ? StepsWritten.All
            : StepsWritten.Some;
    }

    /// <summary>Writes down what a run takes over from an earlier one, before it begins anything; once more changes nothing.</summary>
    public async Task TakeOverAsync(
        Guid tenantId,
        JobLease run,
        WorkflowDefinition definition,
        TakenOver earlier,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, TakeOverSql);
        var (parameters, given) = (command.Parameters, earlier.Given.ToList());
        parameters.AddWithValue("run_id", run.JobId);
        parameters.AddWithValue("epoch", run.Epoch);
        parameters.AddWithValue("of", earlier.Run);
        parameters.AddWithValue("steps", earlier.Steps.ToArray());
        parameters.AddColumn("given", NpgsqlDbType.Text, given, each => each.Key);
        parameters.AddColumn("types", NpgsqlDbType.Text, given, each => definition.Steps!.Single(step => step.Name == each.Key).Type);
        parameters.AddColumn("outputs", NpgsqlDbType.Text, given, each => each.Value.GetRawText());
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Whether the run waits for this event; it has it now.</returns>
    public async Task<bool> PostAsync(Guid tenantId, Guid runId, string name, JsonElement? data, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, PostSql);
        command.Parameters.AddWithValue("run_id", runId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("data", NpgsqlDbType.Text, (object?)data?.GetRawText() ?? DBNull.Value);
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    private static RunStepRow Read(NpgsqlDataReader row) =>
        new(
            new StepState(row.GetString(0), ItemOf(row), (StepStatus)row.GetInt16(2))
            {
                JobId = row.Id(3),
                DueAt = row.Moment(4),
                Error = row.Text(5),
                Type = row.Text(6),
                IsPosted = row.GetBoolean(7),
                HasOutput = !row.IsDBNull(8) && row.GetBoolean(8),
                Size = row.GetInt32(9),
            },
            row.IsDBNull(10) ? null : (JobStatus)row.GetInt16(10),
            row.IsDBNull(11) ? null : row.GetInt32(11),
            row.Text(12)
        );

    private static int? ItemOf(NpgsqlDataReader row) => row.GetInt32(1) is >= 0 and var item ? item : null;
}
