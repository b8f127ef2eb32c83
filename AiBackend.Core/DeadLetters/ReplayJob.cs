using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Queue;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters;

/// <summary>A wish to run an ended job again.</summary>
/// <param name="TenantId">Whose job it is.</param>
/// <param name="JobId">The job.</param>
/// <param name="KeyId">Public id of the API key that asks.</param>
public sealed record ReplayOrder(Guid TenantId, Guid JobId, string KeyId)
{
    /// <summary>Another model; null keeps the old one.</summary>
    public string? Model { get; init; }

    /// <summary>Another input as JSON, checked like that of a new job; null keeps the old one.</summary>
    public string? Input { get; init; }

    /// <summary>First words of <see cref="Input"/>.</summary>
    public string? Title { get; init; }

    /// <summary>Other terms as JSON of <see cref="JobTerms"/>, of another <see cref="Input"/>; null keeps the old ones.</summary>
    public string? Terms { get; init; }

    /// <summary>W3C traceparent of the request.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The caller's key for this request. A dead letter is replayed once whatever the key; it decides for other jobs.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>SHA-256 of what the request means; required with <see cref="IdempotencyKey"/>.</summary>
    public byte[]? Fingerprint { get; init; }
}

/// <summary>How a replay ended.</summary>
public abstract record ReplayOutcome
{
    private ReplayOutcome() { }

    /// <summary>There is a new job.</summary>
    /// <param name="NewJobId">Its id.</param>
    /// <param name="Repeat">It existed before: this letter, or this request, was replayed already.</param>
    public sealed record Done(Guid NewJobId, bool Repeat) : ReplayOutcome;

    /// <summary>The key was used for another replay; nothing was written.</summary>
    /// <param name="NewJobId">The job of then.</param>
    public sealed record KeyReused(Guid NewJobId) : ReplayOutcome;

    /// <summary>The job is gone.</summary>
    public sealed record NotFound : ReplayOutcome;
}

/// <summary>An ended job as a replay finds it.</summary>
/// <param name="Status">Where it stands; only an ended job can be replayed.</param>
/// <param name="Type">Its type.</param>
/// <param name="Model">Its model.</param>
/// <param name="Priority">Its priority, which the new job has too.</param>
/// <param name="IsDeadLetter">It failed for good and is in <c>dead_letters</c>.</param>
/// <param name="ReplayedBy">The job that replays this dead letter, if it was replayed.</param>
/// <param name="Terms">What was asked of it besides its input, as it is stored.</param>
/// <param name="EndUser">For which of the tenant's users it was; null names none.</param>
public sealed record ReplaySource(
    JobStatus Status,
    JobType Type,
    string Model,
    JobPriority Priority,
    bool IsDeadLetter,
    Guid? ReplayedBy,
    string? Terms,
    string? EndUser
);

/// <summary>Runs an ended job again: as a new job, because an ended one never changes.</summary>
/// <remarks>
/// A dead letter is replayed at most once. The mark on it and the new job are one statement, so of any number of replays at once,
/// single or in bulk, one makes the job and the others find it.
/// </remarks>
public sealed class ReplayJob(
    NpgsqlDataSource database,
    JobIds ids,
    QueuePools pools,
    IJobSignals signals,
    JobMetrics metrics,
    ILogger<ReplayJob> logger
)
{
    private const string FindSql = """
        SELECT j.status, j.type, j.model, j.priority, d.job_id IS NOT NULL, d.replayed_by, p.terms, p.end_user
          FROM jobs j JOIN job_payloads p ON p.job_id = j.id LEFT JOIN dead_letters d ON d.job_id = j.id
         WHERE j.id = @job_id AND j.tenant_id = @tenant_id
        """;

    // A discarded letter may be replayed after all: who asks for it by its id has changed their mind.
    private const string LetterSql = $"""
        WITH chosen AS MATERIALIZED (
            UPDATE dead_letters d SET replayed_by = @new_id, replayed_at = now(), closed_by = @key_id
             WHERE d.job_id = @job_id AND d.tenant_id = @tenant_id AND d.replayed_by IS NULL
               AND EXISTS (SELECT 1 FROM job_payloads p WHERE p.job_id = d.job_id)
            RETURNING d.job_id AS old_id, @new_id AS new_id, d.tenant_id, @model AS model, @input AS input, @title AS title,
                      @trace_parent AS trace_parent, @terms AS terms
        ), {CopyJobs.Ctes}
        SELECT id FROM inserted
        """;

    // A key that has expired is taken over, as a submit does.
    private const string OtherSql = $"""
        WITH old AS (
            SELECT j.id, j.tenant_id FROM jobs j JOIN job_payloads p ON p.job_id = j.id
             WHERE j.id = @job_id AND j.tenant_id = @tenant_id AND j.status::int >= 6
        ), key AS (
            INSERT INTO idempotency_keys AS k (tenant_id, route, key, fingerprint, job_id, expires_at)
            SELECT tenant_id, 'replay', @key, @fingerprint, @new_id, now() + interval '24 hours' FROM old WHERE @key IS NOT NULL
            ON CONFLICT (tenant_id, route, key) DO UPDATE
               SET fingerprint = excluded.fingerprint, job_id = excluded.job_id, expires_at = excluded.expires_at
             WHERE k.expires_at < now()
            RETURNING k.job_id
        ), chosen AS MATERIALIZED (
            SELECT id AS old_id, @new_id AS new_id, tenant_id, @model AS model, @input AS input, @title AS title,
                   @trace_parent AS trace_parent, @terms AS terms
              FROM old WHERE @key IS NULL OR EXISTS (SELECT 1 FROM key)
        ), {CopyJobs.Ctes}
        SELECT id FROM inserted
        """;

    private const string InputSql = "SELECT schema_version, input FROM job_payloads WHERE job_id = @job_id AND tenant_id = @tenant_id";

    private const string RepeatSql = """
        SELECT job_id, fingerprint FROM idempotency_keys WHERE tenant_id = @tenant_id AND route = 'replay' AND key = @key
        """;

    /// <returns>Null when the tenant has no such job.</returns>
    public async Task<ReplaySource?> FindAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, FindSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        return await command.ReadAllAsync(ReadSource, cancellationToken) is [var source] ? source : null;
    }

    /// <summary>What a job was asked to do, for whoever wants to change it before it is done again.</summary>
    /// <returns>The input as JSON; null when the tenant has no such job.</returns>
    public async Task<string?> FindInputAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, InputSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        var inputs = await command.ReadAllAsync(
            row => StoredShapes.Current.Inputs.Read(row.GetInt16(0), row.GetString(1)),
            cancellationToken
        );
        return inputs is [var input] ? input : null;
    }

    /// <summary>Makes the new job, or finds the one that was made before.</summary>
    /// <param name="source">What <see cref="FindAsync"/> said of it; it must have ended.</param>
    /// <param name="order">The wish.</param>
    /// <param name="cancellationToken">Ends the wait. The new job may exist all the same; asking again finds it.</param>
    public async Task<ReplayOutcome> RunAsync(ReplaySource source, ReplayOrder order, CancellationToken cancellationToken)
    {
        var newId = ids.Next();
        var inserted = await TransientRetry.RunAsync(
            token => InsertAsync(source.IsDeadLetter ? LetterSql : OtherSql, newId, order, token),
            cancellationToken
        );
        if (inserted)
        {
            metrics.Accepted(source.Type);
            signals.Queued([newId]);
            logger.JobReplayed(order.JobId, newId, order.KeyId);
            return new ReplayOutcome.Done(newId, Repeat: false);
        }

        return source.IsDeadLetter ? await FindReplayAsync(order, cancellationToken) : await FindRepeatAsync(order, cancellationToken);
    }

    private async Task<bool> InsertAsync(string sql, Guid newId, ReplayOrder order, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([order.TenantId], sql, out var command);
        var parameters = command.Parameters;
        parameters.AddWithValue("new_id", newId);
        parameters.AddWithValue("job_id", order.JobId);
        parameters.AddWithValue("tenant_id", order.TenantId);
        parameters.AddWithValue("key_id", order.KeyId);
        parameters.AddWithValue("model", NpgsqlDbType.Text, (object?)order.Model ?? DBNull.Value);
        parameters.AddWithValue("input", NpgsqlDbType.Text, (object?)order.Input ?? DBNull.Value);
        parameters.AddWithValue("title", NpgsqlDbType.Text, (object?)order.Title ?? DBNull.Value);
        parameters.AddWithValue("terms", NpgsqlDbType.Text, (object?)order.Terms ?? DBNull.Value);
        parameters.AddWithValue("trace_parent", NpgsqlDbType.Text, (object?)order.TraceParent ?? DBNull.Value);
        parameters.AddWithValue("key", NpgsqlDbType.Text, (object?)order.IdempotencyKey ?? DBNull.Value);
        parameters.AddWithValue("fingerprint", NpgsqlDbType.Bytea, (object?)order.Fingerprint ?? DBNull.Value);
        // Whoever may not have the job's priority is refused before.
        CopyJobs.AddTo(parameters, order.Model is { } model ? pools.PoolOf(model) : null, JobPriority.Interactive);
        return await batch.ExecuteScalarAsync(cancellationToken) is Guid;
    }

    private async Task<ReplayOutcome> FindReplayAsync(ReplayOrder order, CancellationToken cancellationToken) =>
        await FindAsync(order.TenantId, order.JobId, cancellationToken) is { ReplayedBy: { } newId }
            ? new ReplayOutcome.Done(newId, Repeat: true)
            : new ReplayOutcome.NotFound();

    private async Task<ReplayOutcome> FindRepeatAsync(ReplayOrder order, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(order.TenantId, RepeatSql);
        command.Parameters.AddWithValue("tenant_id", order.TenantId);
        command.Parameters.AddWithValue("key", NpgsqlDbType.Text, (object?)order.IdempotencyKey ?? DBNull.Value);
        var earlier = await command.ReadAllAsync(row => (Id: row.GetGuid(0), Mark: row.GetFieldValue<byte[]>(1)), cancellationToken);
        return earlier switch
        {
            [] => new ReplayOutcome.NotFound(),
            [var (newId, mark)] when mark.AsSpan().SequenceEqual(order.Fingerprint) => new ReplayOutcome.Done(newId, Repeat: true),
            [var (newId, _), ..] => new ReplayOutcome.KeyReused(newId),
        };
    }

    private static ReplaySource ReadSource(NpgsqlDataReader row) =>
        new(
            (JobStatus)row.GetInt16(0),
            (JobType)row.GetInt16(1),
            row.GetString(2),
            (JobPriority)row.GetInt16(3),
            row.GetBoolean(4),
            row.Id(5),
            row.Text(6),
            row.Text(7)
        );
}
