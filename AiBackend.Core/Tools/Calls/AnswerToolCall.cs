using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tools.Calls;

/// <summary>How a client's result was taken.</summary>
public abstract record ToolAnswer
{
    private ToolAnswer() { }

    /// <summary>It counts.</summary>
    public sealed record Taken : ToolAnswer;

    /// <summary>There was a result already; this one changes nothing.</summary>
    public sealed record Repeated : ToolAnswer;

    /// <summary>There is such a call, and nobody waits for its result.</summary>
    /// <param name="Job">Where the job stands.</param>
    public sealed record NotWaiting(JobStatus Job) : ToolAnswer;

    /// <summary>The job has no such call.</summary>
    public sealed record NoSuchCall : ToolAnswer;

    /// <summary>The tenant has no such job.</summary>
    public sealed record NoSuchJob : ToolAnswer;
}

/// <summary>Takes the result of a call that a client makes. With the last one of a round its job goes on.</summary>
public sealed class AnswerToolCall(NpgsqlDataSource database, AnswerWait waits)
{
    // The job's lock makes results follow each other, so that whoever comes last sees that none is missing. Two statements, because
    // one does not see what was committed while it waited for the lock.
    private const string LockSql = """
        SELECT status, attempt FROM jobs WHERE id = @job_id AND tenant_id = @tenant_id FOR NO KEY UPDATE
        """;

    private const string AnswerSql = """
        WITH asked AS (
            SELECT c.round, c.position, c.state, c.asked_attempt FROM job_tool_calls c
             WHERE c.job_id = @job_id AND c.tenant_id = @tenant_id AND c.call_id = @call_id AND c.effect = 4 ORDER BY c.round DESC LIMIT 1
        ), answered AS (
            UPDATE job_tool_calls c SET state = @state, result = @result, ended_at = now()
              FROM asked a, jobs j
             WHERE c.job_id = @job_id AND c.round = a.round AND c.position = a.position AND c.state = 2
               AND j.id = @job_id AND j.status::int = 3 AND j.attempt = c.asked_attempt
            RETURNING 1
        )
        SELECT (SELECT state FROM asked), (SELECT count(*) FROM answered)
        """;

    private const string OpenSql = """
        SELECT count(*) FROM job_tool_calls c JOIN jobs j ON j.id = c.job_id
         WHERE c.job_id = @job_id AND c.effect = 4 AND c.state = 2 AND c.asked_attempt = j.attempt
        """;

    /// <param name="tenantId">Whose job it is.</param>
    /// <param name="jobId">The job.</param>
    /// <param name="callId">The model's name for the call.</param>
    /// <param name="text">What the model is given.</param>
    /// <param name="isError">Whether that says why there is no result.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<ToolAnswer> RunAsync(
        Guid tenantId,
        Guid jobId,
        string callId,
        string text,
        bool isError,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginForAsync(tenantId, cancellationToken);
        if (await LockAsync(connection, tenantId, jobId, cancellationToken) is not { } job)
        {
            return new ToolAnswer.NoSuchJob();
        }

        var (state, isTaken) = await AnswerAsync(connection, tenantId, jobId, callId, text, isError, cancellationToken);
        await using var open = new NpgsqlCommand(OpenSql, connection);
        open.Parameters.AddWithValue("job_id", jobId);
        var isLast = await open.ExecuteScalarAsync(cancellationToken) is 0L;
        await transaction.CommitAsync(cancellationToken);
        FaultPoints.Hit(FaultPoint.K35);
        // Also when it is repeated: whoever took the result may have died before this.
        if (isLast && state is not null && job.Status == JobStatus.WaitingForTool)
        {
            await waits.ToolAnsweredAsync(new WaitKey(tenantId, jobId, job.Attempt), "{}", cancellationToken);
        }

        return (state, isTaken) switch
        {
            (null, _) => new ToolAnswer.NoSuchCall(),
            (_, true) => new ToolAnswer.Taken(),
            (ToolCallState.Done or ToolCallState.Failed, _) => new ToolAnswer.Repeated(),
            _ => new ToolAnswer.NotWaiting(job.Status),
        };
    }

    private static async Task<(JobStatus Status, int Attempt)?> LockAsync(
        NpgsqlConnection connection,
        Guid tenantId,
        Guid jobId,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(LockSql, connection);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ((JobStatus)reader.GetInt16(0), reader.GetInt16(1)) : null;
    }

    private static async Task<(ToolCallState? State, bool IsTaken)> AnswerAsync(
        NpgsqlConnection connection,
        Guid tenantId,
        Guid jobId,
        string callId,
        string text,
        bool isError,
        CancellationToken cancellationToken
    )
    {
        await using var command = new NpgsqlCommand(AnswerSql, connection);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("call_id", callId);
        command.Parameters.AddWithValue("state", NpgsqlDbType.Smallint, (short)(isError ? ToolCallState.Failed : ToolCallState.Done));
        command.Parameters.AddWithValue("result", text);
        var rows = await command.ReadAllAsync(
            row => (row.IsDBNull(0) ? (ToolCallState?)null : (ToolCallState)row.GetInt16(0), row.GetInt64(1) > 0),
            cancellationToken
        );
        return rows.Single();
    }
}
