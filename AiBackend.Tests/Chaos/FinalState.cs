using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>A job as the database has it when everything is quiet.</summary>
internal sealed record JobFacts
{
    public required Guid Id { get; init; }
    public required JobStatus Status { get; init; }
    public string? Key { get; init; }
    public int Attempt { get; init; }
    public int Excused { get; init; }
    public int MaxAttempts { get; init; } = 5;
    public int CrashCount { get; init; }
    public int LastSeq { get; init; }
    public bool CancelRequested { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public JobPriority Priority { get; init; }
    public string? ErrorCode { get; init; }
    public string? ErrorClass { get; init; }
    public string? ErrorMessage { get; init; }
    public string? Output { get; init; }
    public LetterFacts? Letter { get; init; }

    /// <summary>Null: its log was not read.</summary>
    public LogFacts? Log { get; init; }
    public IReadOnlyList<AttemptFacts> Attempts { get; init; } = [];
}

/// <summary>A job's event log, folded.</summary>
internal sealed record LogFacts(int Count, int LastSeq, int Finals, string Text, string? Broken);

/// <summary>A dead letter.</summary>
/// <param name="AlertedAt">When an alert for its cause was raised that was not over when it died; null when none was.</param>
internal sealed record LetterFacts(DateTimeOffset At, string? Fingerprint, string? Message, DateTimeOffset? AlertedAt);

/// <summary>An ended attempt.</summary>
/// <param name="Process">Host and pid of its worker.</param>
internal sealed record AttemptFacts(int Number, AttemptOutcome Outcome, string? Process, DateTimeOffset StartedAt, DateTimeOffset EndedAt);

/// <summary>A call as the provider saw it.</summary>
internal sealed record CallFacts(string Key, DateTimeOffset ReceivedAt, string Outcome);

/// <summary>A call of a tool as its receiver saw it.</summary>
/// <param name="Key">The effect id.</param>
/// <param name="Job">As the call says.</param>
internal sealed record SendFacts(string Key, Guid Job);

/// <summary>A call in the ledger of effects.</summary>
/// <param name="Attempts">Of its job.</param>
internal sealed record LedgerFacts(string EffectId, Guid Job, ToolEffect Effect, ToolCallState State, int Attempts);

/// <summary>A step of a run.</summary>
/// <param name="Needs">Steps that it takes something of, or waits for.</param>
internal sealed record StepFacts(
    Guid Run,
    string Name,
    Guid? Job,
    IReadOnlyList<string> Needs,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt
);

/// <summary>Reads the jobs of one run.</summary>
internal sealed class FinalState(NpgsqlDataSource database, string[] models)
{
    public async Task<IReadOnlyList<JobFacts>> ReadAsync(CancellationToken cancellationToken)
    {
        var attempts = await ReadAttemptsAsync(cancellationToken);
        var logs = await ReadLogsAsync(cancellationToken);
        await using var command = Command(
            """
            SELECT j.id, j.status, split_part(k.key, chr(31), 1), j.attempt, j.excused, j.max_attempts, j.crash_count, j.last_seq, j.cancel_requested, j.created_at,
                   j.started_at, j.priority, j.error_code, j.error_class, j.error_message, o.text, d.at, d.fingerprint, d.message,
                   (SELECT min(a.raised_at) FROM alerts a WHERE a.tenant_id = d.tenant_id AND a.rule = 'dead_letter_cause'
                       AND a.cause = d.fingerprint AND (a.resolved_at IS NULL OR a.resolved_at >= d.at))
              FROM jobs j
              LEFT JOIN idempotency_keys k ON k.job_id = j.id
              LEFT JOIN job_outputs o ON o.job_id = j.id
              LEFT JOIN dead_letters d ON d.job_id = j.id
             WHERE j.model = ANY (@models)
            """
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var jobs = new List<JobFacts>();
        while (await reader.ReadAsync(cancellationToken))
        {
            jobs.Add(ReadJob(reader, logs, attempts));
        }

        return jobs;
    }

    /// <summary>I-2: tries to change jobs that have ended.</summary>
    /// <returns>Those that let themselves be changed.</returns>
    public async Task<IReadOnlyList<Guid>> TryToChangeAsync(IEnumerable<JobFacts> ended, CancellationToken cancellationToken)
    {
        List<Guid> changed = [];
        foreach (var job in ended)
        {
            await using var command = database.CreateCommand("UPDATE jobs SET status = 1 WHERE id = @id");
            command.Parameters.AddWithValue("id", job.Id);
            try
            {
                await command.ExecuteNonQueryAsync(cancellationToken);
                changed.Add(job.Id);
            }
            catch (PostgresException refused) when (refused.SqlState == "AI001")
            {
                // As it must be.
            }
        }

        return changed;
    }

    private async Task<ILookup<Guid, AttemptFacts>> ReadAttemptsAsync(CancellationToken cancellationToken)
    {
        await using var command = Command(
            """
            SELECT a.job_id, a.attempt, a.outcome, w.name, a.started_at, a.ended_at
              FROM job_attempts a JOIN jobs j ON j.id = a.job_id LEFT JOIN workers w ON w.id = a.worker_id
             WHERE j.model = ANY (@models) ORDER BY a.job_id, a.attempt
            """
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var attempts = new List<(Guid Job, AttemptFacts Attempt)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            attempts.Add((reader.GetGuid(0), ReadAttempt(reader)));
        }

        return attempts.ToLookup(row => row.Job, row => row.Attempt);
    }

    private async Task<Dictionary<Guid, LogFacts>> ReadLogsAsync(CancellationToken cancellationToken)
    {
        await using var command = Command(
            """
            SELECT e.job_id, e.seq, e.kind, e.data FROM job_events e JOIN jobs j ON j.id = e.job_id
             WHERE j.model = ANY (@models) ORDER BY e.job_id, e.seq
            """
        );
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var logs = new Dictionary<Guid, LogFacts>();
        var (job, count, fold) = (Guid.Empty, 0, new EventFold());
        while (await reader.ReadAsync(cancellationToken))
        {
            if (reader.GetGuid(0) is var next && next != job)
            {
                Keep();
                (job, count, fold) = (next, 0, new EventFold());
            }

            count++;
            fold.Take(reader.GetInt32(1), ((JobEventKind)reader.GetInt16(2)).ToWire(), reader.GetString(3));
        }

        Keep();
        return logs;

        void Keep() => logs[job] = new(count, fold.LastSeq, fold.Finals, fold.Text, fold.Rules.Broken);
    }

    private NpgsqlCommand Command(string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("models", models);
        command.CommandTimeout = 300;
        return command;
    }

    private static JobFacts ReadJob(NpgsqlDataReader reader, Dictionary<Guid, LogFacts> logs, ILookup<Guid, AttemptFacts> attempts) =>
        new()
        {
            Id = reader.GetGuid(0),
            Status = (JobStatus)reader.GetInt16(1),
            Key = Text(reader, 2),
            Attempt = reader.GetInt16(3),
            Excused = reader.GetInt16(4),
            MaxAttempts = reader.GetInt16(5),
            CrashCount = reader.GetInt16(6),
            LastSeq = reader.GetInt32(7),
            CancelRequested = reader.GetBoolean(8),
            CreatedAt = reader.GetFieldValue<DateTimeOffset>(9),
            StartedAt = Moment(reader, 10),
            Priority = (JobPriority)reader.GetInt16(11),
            ErrorCode = Text(reader, 12),
            ErrorClass = Text(reader, 13),
            ErrorMessage = Text(reader, 14),
            Output = Text(reader, 15),
            Letter = reader.IsDBNull(16) ? null : ReadLetter(reader),
            Log = logs.GetValueOrDefault(reader.GetGuid(0)),
            Attempts = [.. attempts[reader.GetGuid(0)]],
        };

    private static LetterFacts ReadLetter(NpgsqlDataReader reader) =>
        new(reader.GetFieldValue<DateTimeOffset>(16), Text(reader, 17), Text(reader, 18), Moment(reader, 19));

    private static AttemptFacts ReadAttempt(NpgsqlDataReader reader) =>
        new(
            reader.GetInt16(1),
            (AttemptOutcome)reader.GetInt16(2),
            Text(reader, 3),
            reader.GetFieldValue<DateTimeOffset>(4),
            reader.GetFieldValue<DateTimeOffset>(5)
        );

    private static DateTimeOffset? Moment(NpgsqlDataReader reader, int column) =>
        reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);

    private static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
}
