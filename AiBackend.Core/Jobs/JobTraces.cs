using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Tells what happened to a job: attempts from their rows, waits from its state events.</summary>
public sealed class JobTraces(NpgsqlDataSource database)
{
    private const string JobSql = """
        SELECT p.trace_parent, j.status, j.attempt, j.claimed_at, j.finished_at, w.name
          FROM jobs j JOIN job_payloads p ON p.job_id = j.id LEFT JOIN workers w ON w.id = j.worker_id
         WHERE j.id = @id AND j.tenant_id = @tenant_id
        """;

    private const string AttemptsSql = """
        SELECT a.attempt, a.outcome, w.name, a.provider, a.model, a.model_version, a.fallbacks, a.started_at, a.first_token_at,
               a.ended_at, a.input_tokens, a.cached_tokens, a.output_tokens, a.cost_usd, a.error_code, a.error_class, a.error_message,
               a.calls, a.reasoning_tokens, a.checks
          FROM job_attempts a LEFT JOIN workers w ON w.id = a.worker_id
         WHERE a.job_id = @id ORDER BY a.attempt
        """;

    private const string StatesSql = """
        SELECT at, data FROM job_events WHERE job_id = @id AND kind IN (1, 7) ORDER BY seq
        """;

    private static readonly HashSet<string?> Waits =
    [
        JobStatuses.Queued,
        JobStatuses.Scheduled,
        JobStatuses.Retrying,
        JobStatuses.WaitingForTool,
        JobStatuses.WaitingForReview,
    ];

    /// <returns>The trace, or null when the tenant has no such job.</returns>
    public async Task<JobTrace?> FindAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        if (await ReadHeaderAsync(tenantId, jobId, cancellationToken) is not { } header)
        {
            return null;
        }

        var attempts = await ReadAttemptsAsync(tenantId, jobId, cancellationToken);
        // It may have ended between the two statements.
        if (header.Running is { } running && !attempts.Exists(ended => ended.Attempt == running.Attempt))
        {
            attempts.Add(running);
        }

        return new JobTrace(jobId, header.TraceId, attempts, await ReadWaitsAsync(tenantId, jobId, cancellationToken));
    }

    private async Task<Header?> ReadHeaderAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, JobSql);
        command.Parameters.AddWithValue("id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ReadHeader(reader) : null;
    }

    private async Task<List<AttemptTrace>> ReadAttemptsAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, AttemptsSql);
        command.Parameters.AddWithValue("id", jobId);
        return await command.ReadAllAsync(ReadAttempt, cancellationToken);
    }

    private async Task<IReadOnlyList<WaitTrace>> ReadWaitsAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, StatesSql);
        command.Parameters.AddWithValue("id", jobId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var waits = new List<WaitTrace>();
        (string Status, DateTimeOffset At)? waiting = null;
        while (await reader.ReadAsync(cancellationToken))
        {
            var (at, status) = ReadState(reader);
            if (waiting is { } begun)
            {
                waits.Add(new WaitTrace(begun.Status, begun.At, at));
            }

            waiting = Waits.Contains(status) ? (status!, at) : null;
        }

        if (waiting is { } open)
        {
            waits.Add(new WaitTrace(open.Status, open.At, null));
        }

        return waits;
    }

    private static (DateTimeOffset At, string? Status) ReadState(NpgsqlDataReader row)
    {
        using var data = JsonDocument.Parse(row.GetString(1));
        return (
            row.GetFieldValue<DateTimeOffset>(0),
            data.RootElement.TryGetProperty("status", out var status) ? status.GetString() : null
        );
    }

    private static Header ReadHeader(NpgsqlDataReader row)
    {
        var running =
            (JobStatus)row.GetInt16(1) == JobStatus.Processing
                ? new AttemptTrace
                {
                    Attempt = row.GetInt16(2),
                    Outcome = "running",
                    Worker = row.IsDBNull(5) ? null : row.GetString(5),
                    StartedAt = row.GetFieldValue<DateTimeOffset>(3),
                }
                : null;
        return new Header(row.IsDBNull(0) ? null : JobRow.TraceIdOf(row.GetString(0)), running);
    }

    private static AttemptTrace ReadAttempt(NpgsqlDataReader row)
    {
        string? Text(int ordinal) => row.IsDBNull(ordinal) ? null : row.GetString(ordinal);
        long Number(int ordinal) => row.IsDBNull(ordinal) ? 0 : row.GetInt64(ordinal);

        var attempt = new AttemptTrace
        {
            Attempt = row.GetInt16(0),
            Outcome = ((AttemptOutcome)row.GetInt16(1)).ToWire(),
            Worker = Text(2),
            Provider = Text(3),
            Model = Text(4),
            ModelVersion = Text(5),
            Fallbacks = row.GetInt16(6),
            StartedAt = row.GetFieldValue<DateTimeOffset>(7),
            FirstTokenAt = row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8),
            EndedAt = row.GetFieldValue<DateTimeOffset>(9),
            Usage = row.IsDBNull(10)
                ? null
                : new JobUsage(Number(10), Number(11), Number(12), row.IsDBNull(13) ? null : row.GetDecimal(13))
                {
                    ReasoningTokens = Number(18),
                },
            Error = Text(14) is { } code ? JobRow.Error(code, row.GetString(15), row.GetString(16)) : null,
        };
        return attempt with { Calls = AttemptCalls.Read(Text(17), attempt), Checks = ContractChecksJson.Read(Text(19)) };
    }

    private sealed record Header(string? TraceId, AttemptTrace? Running);
}
