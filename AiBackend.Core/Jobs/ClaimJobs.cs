using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Telemetry;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

/// <summary>A running job's fence: every write repeats it and changes nothing once another claim has raised the epoch.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Epoch">Which claim this is, from 1.</param>
public readonly record struct JobLease(Guid JobId, int Epoch);

/// <summary>A job as its claim found it.</summary>
public sealed record ClaimedJob
{
    /// <summary>The fence for every write.</summary>
    public required JobLease Lease { get; init; }

    /// <summary>Kind of work.</summary>
    public required JobType Type { get; init; }

    /// <summary>Route or model name.</summary>
    public required string Model { get; init; }

    /// <summary>Whose job it is.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>The caller's feature.</summary>
    public string? Feature { get; init; }

    /// <summary>The caller's own user.</summary>
    public string? EndUser { get; init; }

    /// <summary>What makes a request equal to this one; null when it shares no answer.</summary>
    public byte[]? CacheKey { get; init; }

    /// <summary>What all its calls together may cost; null is no limit of its own.</summary>
    public decimal? MaxCostUsd { get; init; }

    /// <summary>Public id of the API key that submitted it, or the job it replays; null when nobody knows.</summary>
    public string? KeyId { get; init; }

    /// <summary>Number of this attempt, from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>Attempts that count against <see cref="MaxAttempts"/>, this one included.</summary>
    public required int CountedAttempts { get; init; }

    /// <summary>Tries allowed.</summary>
    public required int MaxAttempts { get; init; }

    /// <summary>Time left until the deadline when the job was claimed; null when it has none.</summary>
    public TimeSpan? TimeLeft { get; init; }

    /// <summary>Time between the moment it could start and its claim.</summary>
    public required TimeSpan QueueWait { get; init; }

    /// <summary>Time between its acceptance and its claim.</summary>
    public required TimeSpan Age { get; init; }

    /// <summary>When it was accepted, by Postgres' clock.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Number of the latest event.</summary>
    public required int LastSeq { get; init; }

    /// <summary>The input as JSON.</summary>
    public required string Input { get; init; }

    /// <summary>What is asked of it besides the input, as JSON of <see cref="JobTerms"/>; null is nothing.</summary>
    public string? Terms { get; init; }

    /// <summary>W3C traceparent of the submitting request.</summary>
    public string? TraceParent { get; init; }

    /// <summary>Whether its latest attempt failed, or waited to be made again: then every provider call of this one is a retry.</summary>
    public bool IsRetry { get; init; }

    /// <summary>How urgent it is.</summary>
    public required JobPriority Priority { get; init; }

    /// <summary>Seconds from its acceptance until it would begin, as its caller was told, in the typical case and in nine of ten; null when it was told nothing.</summary>
    public (double P50, double P90)? Eta { get; init; }

    /// <summary>Whether an attempt before this one did something for it, and was not only told to wait.</summary>
    public bool HasBegun { get; init; }

    /// <summary>The deployment for whose limit it waited, and which told it to come back now; null is none.</summary>
    public string? TurnAt { get; init; }

    /// <summary>How often its worker died before this attempt.</summary>
    public int Crashes { get; init; }
}

/// <summary>What a claim did.</summary>
/// <param name="Jobs">What is the worker's now.</param>
/// <param name="PutOff">Events of jobs that wait from now on because as many run as may.</param>
public sealed record ClaimResult(IReadOnlyList<ClaimedJob> Jobs, params IReadOnlyList<JobEventRecord> PutOff);

/// <summary>Queued → Processing, for as many of the given jobs as are still free.</summary>
public sealed class ClaimJobs(IJobStore store, IJobSignals signals, JobMetrics metrics)
{
    /// <returns>The jobs that are now this worker's; those missing were taken, ended or expired meanwhile, must run alone, or wait because as many of their key or tenant run as may.</returns>
    public Task<IReadOnlyList<ClaimedJob>> RunAsync(
        Guid workerId,
        IEnumerable<Guid> jobIds,
        TimeSpan lease,
        CancellationToken cancellationToken
    ) => ClaimAsync(workerId, jobIds, lease, JobDraft.DefaultPool, cancellationToken);

    /// <inheritdoc cref="RunAsync(Guid, IEnumerable{Guid}, TimeSpan, CancellationToken)"/>
    /// <param name="workerId">Who takes them.</param>
    /// <param name="pool">The pool whose slots are free; jobs of others are left alone.</param>
    /// <param name="jobIds">The jobs.</param>
    /// <param name="lease">How long the claim lasts without renewal.</param>
    /// <param name="cancellationToken">Ends the wait, not a claim that was sent.</param>
    public Task<IReadOnlyList<ClaimedJob>> RunInPoolAsync(
        Guid workerId,
        string pool,
        IEnumerable<Guid> jobIds,
        TimeSpan lease,
        CancellationToken cancellationToken
    ) => ClaimAsync(workerId, jobIds, lease, pool, cancellationToken);

    /// <summary>Takes a job that must run alone: only for a process that holds no other.</summary>
    /// <returns>Null when it was taken or ended meanwhile, or need not run alone.</returns>
    public async Task<ClaimedJob?> RunAloneAsync(Guid workerId, Guid jobId, TimeSpan lease, CancellationToken cancellationToken) =>
        (await ClaimAsync(workerId, [jobId], lease, pool: null, cancellationToken)).SingleOrDefault();

    private async Task<IReadOnlyList<ClaimedJob>> ClaimAsync(
        Guid workerId,
        IEnumerable<Guid> jobIds,
        TimeSpan lease,
        string? pool,
        CancellationToken cancellationToken
    )
    {
        // Sorted: two workers with overlapping lists lock rows in the same order. Each once: a job that was offered twice would be given to two
        // attempts under one lease, which no fence parts.
        var ids = jobIds.Distinct().Order().ToArray();
        var (claimed, putOff) = await TransientRetry.RunAsync(
            token => store.ClaimAsync(workerId, ids, lease, pool, token),
            cancellationToken
        );
        foreach (var job in claimed)
        {
            metrics.Claimed(job);
        }

        signals.Committed([.. claimed.Select(ProcessingEvent), .. putOff]);
        return claimed;
    }

    private static JobEventRecord ProcessingEvent(ClaimedJob job) =>
        new(job.Lease.JobId, job.LastSeq, JobEventKind.State, JobEventPayload.Of(new StateEvent(JobStatuses.Processing, job.Attempt)));
}

internal sealed partial class PostgresJobStore
{
    // Which of them a limit of running jobs keeps, claimable() says: 0079_running_limits.sql.
    // "status::int" in guards here and elsewhere: a plain "status = 1" lets the planner prefer a partial index over the
    // primary key once the table is analysed, at a quarter of the speed.
    private static readonly string ClaimSql = $$"""
        WITH chosen AS (
            SELECT * FROM claimable(@ids, @types, @schema_version, @alone, @pool)
        ), claimed AS (
            UPDATE jobs j
               SET status = 2, lease_epoch = j.lease_epoch + 1, lease_until = now() + @lease, worker_id = @worker_id,
                   attempt = j.attempt + 1, claimed_at = now(), started_at = coalesce(j.started_at, now()),
                   last_seq = j.last_seq + 1, error_code = NULL, error_class = NULL, error_message = NULL
              FROM chosen i JOIN job_payloads p ON p.job_id = i.claim_id AND p.schema_version <= @schema_version
             WHERE i.put_off_seq IS NULL AND j.id = i.claim_id AND j.status::int = 1 AND j.type = ANY (@types) AND NOT j.cancel_requested
               AND (j.deadline IS NULL OR j.deadline > now()) AND (j.crash_count >= 2) = @alone
               AND (@alone OR j.pool = @pool) AND {{HeldJobs.None("j")}}
            RETURNING j.id, j.tenant_id, j.lease_epoch, j.type, j.model, j.attempt, j.attempt - j.excused AS counted,
                      j.max_attempts, j.deadline - now() AS time_left, now() - j.due_at AS queue_wait, now() - j.created_at AS age,
                      j.last_seq, j.crash_count, j.waiting_reason, j.priority, p.input, p.trace_parent, p.schema_version,
                      p.feature, p.end_user, p.key_id, p.max_cost_usd, p.cache_key, j.eta_p50, j.eta_p90, j.created_at, p.terms,
                      j.began_at IS NOT NULL AS has_begun
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, last_seq, 1, tenant_id, '{"status":"processing","attempt":' || attempt || '}' FROM claimed
        )
        SELECT id, lease_epoch, type, model, attempt, counted, max_attempts, time_left, queue_wait, age, last_seq, input, trace_parent,
               crash_count, waiting_reason, schema_version, priority, tenant_id, feature, end_user, key_id, max_cost_usd, cache_key,
               eta_p50, eta_p90, created_at, terms, has_begun, i.claim_id, i.put_off_seq, i.put_off_event
          FROM chosen i LEFT JOIN claimed ON id = i.claim_id
         WHERE id IS NOT NULL OR i.put_off_seq IS NOT NULL
        """;

    // During an upgrade a newer Api may accept work that this build cannot do, by its type or by the shape of its input: it waits for a
    // worker that can.
    private static readonly short[] KnownTypes = [.. Enum.GetValues<JobType>().Select(type => (short)type)];

    public async Task<ClaimResult> ClaimAsync(
        Guid workerId,
        Guid[] jobIds,
        TimeSpan lease,
        string? pool,
        CancellationToken cancellationToken
    )
    {
        await using var command = await HotCommand.OpenAsync(hot, ClaimSql, AddParameters, cancellationToken);
        var (claimed, putOff) = (new List<ClaimedJob>(), new List<JobEventRecord>());
        await command.Command.ReadAllAsync(Keep, cancellationToken);
        return new(claimed, putOff);

        bool Keep(NpgsqlDataReader row)
        {
            var isPutOff = !row.IsDBNull(29);
            if (isPutOff)
            {
                putOff.Add(new(row.GetGuid(28), row.GetInt32(29), JobEventKind.State, row.GetFieldValue<byte[]>(30)));
            }
            else
            {
                claimed.Add(ReadClaim(row));
            }

            return isPutOff;
        }

        void AddParameters(NpgsqlParameterCollection parameters)
        {
            parameters.Add(Parameter.Of("ids", NpgsqlDbType.Uuid, jobIds));
            parameters.Add(Parameter.Of("types", NpgsqlDbType.Smallint, KnownTypes));
            parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Version);
            parameters.AddWithValue("worker_id", workerId);
            parameters.AddWithValue("lease", lease);
            parameters.AddWithValue("alone", pool is null);
            parameters.AddWithValue("pool", pool ?? "");
        }
    }

    private ClaimedJob ReadClaim(NpgsqlDataReader reader) =>
        new()
        {
            Lease = new JobLease(reader.GetGuid(0), reader.GetInt32(1)),
            Type = (JobType)reader.GetInt16(2),
            Model = reader.GetString(3),
            Attempt = reader.GetInt16(4),
            CountedAttempts = reader.GetInt32(5),
            MaxAttempts = reader.GetInt16(6),
            TimeLeft = reader.IsDBNull(7) ? null : reader.GetTimeSpan(7),
            QueueWait = reader.GetTimeSpan(8),
            Age = reader.GetTimeSpan(9),
            LastSeq = reader.GetInt32(10),
            Input = _shapes.Inputs.Read(reader.GetInt16(15), reader.GetString(11)),
            TraceParent = reader.IsDBNull(12) ? null : reader.GetString(12),
            Crashes = reader.GetInt16(13),
            // Some waits are no failed try, and hide whether there was one before: then more than one counts.
            IsRetry = !reader.IsDBNull(14) && (!WaitedFor(reader, WaitingReasons.OfNoFailure) || reader.GetInt32(5) > 1),
            TurnAt = reader.IsDBNull(14) ? null : WaitingReasons.DeploymentOf(reader.GetString(14)),
            Priority = (JobPriority)reader.GetInt16(16),
            TenantId = reader.GetGuid(17),
            Feature = reader.IsDBNull(18) ? null : reader.GetString(18),
            EndUser = reader.IsDBNull(19) ? null : reader.GetString(19),
            KeyId = reader.IsDBNull(20) ? null : reader.GetString(20),
            MaxCostUsd = reader.IsDBNull(21) ? null : reader.GetDecimal(21),
            CacheKey = reader.IsDBNull(22) ? null : reader.GetFieldValue<byte[]>(22),
            Eta = reader.IsDBNull(23) || reader.IsDBNull(24) ? null : (reader.GetFloat(23), reader.GetFloat(24)),
            CreatedAt = reader.GetFieldValue<DateTimeOffset>(25),
            Terms = reader.IsDBNull(26) ? null : reader.GetString(26),
            HasBegun = reader.GetBoolean(27),
        };

    private static bool WaitedFor(NpgsqlDataReader claimed, params ReadOnlySpan<string> codes)
    {
        if (claimed.IsDBNull(14))
        {
            return false;
        }

        var reason = claimed.GetString(14);
        foreach (var code in codes)
        {
            if (reason.StartsWith(code, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
