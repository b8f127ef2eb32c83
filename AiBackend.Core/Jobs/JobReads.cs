using System.Data;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Versions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

/// <summary>Which jobs a list shows.</summary>
public sealed record JobFilter
{
    /// <summary>Only these statuses; null shows all.</summary>
    public IReadOnlyList<JobStatus>? Statuses { get; init; }

    /// <summary>Only this type; null shows all.</summary>
    public JobType? Type { get; init; }

    /// <summary>Only this feature; null shows all.</summary>
    public string? Feature { get; init; }

    /// <summary>Only jobs accepted at or after this moment.</summary>
    public DateTimeOffset? CreatedAfter { get; init; }

    /// <summary>Only jobs accepted before this moment.</summary>
    public DateTimeOffset? CreatedBefore { get; init; }

    /// <summary>Only jobs older than this one; null starts with the newest.</summary>
    public Guid? Before { get; init; }

    /// <summary>Jobs on a page, 1 to 200.</summary>
    public required int Limit { get; init; }
}

/// <summary>Where a job and its log stand.</summary>
/// <param name="Status">Its status.</param>
/// <param name="LastSeq">Number of its latest event.</param>
public readonly record struct JobHead(JobStatus Status, int LastSeq);

/// <summary>Reads jobs as the API shows them. Every read names its tenant.</summary>
public sealed class JobReads(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource hot,
    StoredShapes? shapes = null
)
{
    private readonly StoredShapes _shapes = shapes ?? StoredShapes.Current;

    // The place in line is the place in the line of its pool, whoever's jobs are ahead; in that of a limit the place among its tenant's
    // (LimitOutlook knows the others).
    private static readonly string WholeSql = $"""
        SELECT j.id, j.type, j.status, j.model, p.feature, j.priority, j.created_at, j.started_at, j.finished_at, j.attempt,
               j.max_attempts, j.due_at, j.deadline, j.error_code, j.error_class, j.error_message, p.trace_parent, p.replay_of,
               p.title, p.metadata, u.input_tokens, u.cached_tokens, u.output_tokens, u.cost_usd, s.provider, s.model,
               s.model_version, s.fallbacks, s.simulated, o.text, o.missing,
               CASE WHEN j.status = 1 THEN jobs_ahead(j.pool, j.priority, j.id)
                    WHEN j.status = 5 AND j.waiting_reason LIKE 'rate_limit:%' THEN limited_ahead(j.waiting_reason, j.priority, j.tenant_id, j.id) END,
               j.crash_count, j.waiting_reason, o.schema_version, {HeldJobs.By(
            "j"
        )}, s.cache, u.reasoning_tokens,
               o.tool_calls, o.finish_reason, s.checks, prompt_of(p.terms), j.conversation_id, s.context,
               attachments_of(p.terms)::text,
               CASE WHEN j.writes_artifact AND j.status = 6 THEN
                        (SELECT json_build_array(json_build_object('file', f.id, 'name', f.name, 'media_type', f.media_type, 'bytes', f.bytes))::text
                           FROM files f WHERE f.id = artifact_of(j.id) AND f.tenant_id = j.tenant_id AND f.expires_at > now()) END
          FROM jobs j
          JOIN job_payloads p ON p.job_id = j.id
          LEFT JOIN job_outputs o ON o.job_id = j.id
          LEFT JOIN LATERAL (SELECT sum(a.input_tokens)::bigint AS input_tokens, sum(a.cached_tokens)::bigint AS cached_tokens,
                                    sum(a.output_tokens)::bigint AS output_tokens, sum(a.cost_usd) AS cost_usd,
                                    sum(a.reasoning_tokens)::bigint AS reasoning_tokens
                               FROM job_attempts a WHERE a.job_id = j.id) u ON true
          LEFT JOIN LATERAL (SELECT a.provider, a.model, a.model_version, a.fallbacks, a.simulated, a.cache, a.checks, a.context
                               FROM job_attempts a WHERE a.job_id = j.id AND (a.provider IS NOT NULL OR a.checks IS NOT NULL)
                              ORDER BY a.attempt DESC LIMIT 1) s ON true
        """;

    private static readonly string OneSql = $"{WholeSql} WHERE j.id = @id AND j.tenant_id = @tenant_id";

    private static readonly string SeveralSql = $"{WholeSql} WHERE j.id = ANY (@ids) AND j.tenant_id = @tenant_id";

    // Each job by itself (OFFSET), along its keys: planned once, before anybody knows how few are asked for.
    private static readonly string ActingEndedSql = TenantWall.ActingFor(
        $"""
        SELECT ended.*, asked.tenant_id
          FROM unnest(@ids, @tenant_ids) AS asked (id, tenant_id)
         CROSS JOIN LATERAL ({WholeSql} WHERE j.id = asked.id AND j.tenant_id = asked.tenant_id AND j.status::int >= 6 OFFSET 0) ended
        """
    );

    private static readonly string ListSql = $"""
        SELECT j.id, j.type, j.status, j.model, p.feature, j.priority, j.created_at, j.started_at, j.finished_at, j.attempt,
               j.max_attempts, j.due_at, j.deadline, j.error_code, j.error_class, j.error_message, p.trace_parent, p.replay_of,
               p.title, p.metadata, u.input_tokens, u.cached_tokens, u.output_tokens, u.cost_usd, s.provider, s.model,
               s.model_version, s.fallbacks, s.simulated, NULL::text, NULL::text[], NULL::bigint, j.crash_count, j.waiting_reason,
               NULL::smallint, {HeldJobs.By(
            "j"
        )}, s.cache, u.reasoning_tokens, NULL::text, NULL::text, s.checks, prompt_of(p.terms), j.conversation_id, s.context,
               NULL::text, NULL::text
          FROM (SELECT * FROM jobs
                 WHERE tenant_id = @tenant_id
                   AND id < @before AND id >= @from
                   AND (@created_after IS NULL OR created_at >= @created_after)
                   AND (@created_before IS NULL OR created_at < @created_before)
                   AND (@statuses IS NULL OR status = ANY (@statuses))
                   AND (@type IS NULL OR type = @type)
                   AND (@feature IS NULL OR EXISTS (SELECT 1 FROM job_payloads f WHERE f.job_id = jobs.id AND f.feature = @feature))
                 ORDER BY id DESC LIMIT @limit) j
          JOIN job_payloads p ON p.job_id = j.id
          LEFT JOIN LATERAL (SELECT sum(a.input_tokens)::bigint AS input_tokens, sum(a.cached_tokens)::bigint AS cached_tokens,
                                    sum(a.output_tokens)::bigint AS output_tokens, sum(a.cost_usd) AS cost_usd,
                                    sum(a.reasoning_tokens)::bigint AS reasoning_tokens
                               FROM job_attempts a WHERE a.job_id = j.id) u ON true
          LEFT JOIN LATERAL (SELECT a.provider, a.model, a.model_version, a.fallbacks, a.simulated, a.cache, a.checks, a.context
                               FROM job_attempts a WHERE a.job_id = j.id AND (a.provider IS NOT NULL OR a.checks IS NOT NULL)
                              ORDER BY a.attempt DESC LIMIT 1) s ON true
         ORDER BY j.id DESC
        """;

    // Far more than two healthy clocks differ, and than a submission waits for its commit.
    private static readonly TimeSpan ClockMargin = TimeSpan.FromMinutes(10);

    private static readonly string ActingOneSql = TenantWall.ActingFor(OneSql);

    private static readonly string ActingHeadSql = TenantWall.ActingFor(
        "SELECT status, last_seq FROM jobs WHERE id = @id AND tenant_id = @tenant_id"
    );

    private static readonly string ActingTermsSql = TenantWall.ActingFor(
        "SELECT terms FROM job_payloads WHERE job_id = @id AND tenant_id = @tenant_id"
    );

    /// <summary>The least that says whether a job can be read and how far its log goes.</summary>
    /// <returns>Null when the tenant has no job with this id.</returns>
    public async Task<JobHead?> FindHeadAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var head = await OpenAsync(ActingHeadSql, tenantId, jobId, cancellationToken);
        await using var reader = await head.Command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new JobHead((JobStatus)reader.GetInt16(0), reader.GetInt32(1)) : null;
    }

    /// <returns>What was pinned when the job was accepted; <see cref="JobTerms.None"/> also when there is no such job.</returns>
    public async Task<JobTerms> FindTermsAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var terms = await OpenAsync(ActingTermsSql, tenantId, jobId, cancellationToken);
        return JobTerms.Read(await terms.Command.ExecuteScalarAsync(cancellationToken) as string);
    }

    /// <returns>The job with its output, or null when the tenant has none with this id.</returns>
    public async Task<Job?> FindAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var one = await OpenAsync(ActingOneSql, tenantId, jobId, cancellationToken);
        await using var reader = await one.Command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? JobRow.Read(reader, _shapes) : null;
    }

    /// <returns>Those that the tenant has, with their outputs, in no order. Few at a time: an output may be large.</returns>
    public async Task<IReadOnlyList<Job>> FindAsync(Guid tenantId, IReadOnlyList<Guid> jobIds, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Built from constants of this feature.
        await using var command = database.CreateCommandFor(tenantId, SeveralSql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("ids", jobIds.ToArray());
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(row => JobRow.Read(row, _shapes), cancellationToken);
    }

    /// <returns>Those that their tenants have and that have ended, with their outputs.</returns>
    internal async Task<IReadOnlyDictionary<(Guid TenantId, Guid JobId), Job>> FindEndedAsync(
        IReadOnlyList<(Guid TenantId, Guid JobId)> ended,
        CancellationToken cancellationToken
    )
    {
        await using var read = await HotCommand.OpenAsync(
            hot,
            ActingEndedSql,
            parameters =>
            {
                parameters.AddColumn("ids", NpgsqlDbType.Uuid, ended, job => job.JobId);
                parameters.AddColumn("tenant_ids", NpgsqlDbType.Uuid, ended, job => job.TenantId);
                parameters.AddTenants([.. ended.Select(job => job.TenantId).Distinct()]);
            },
            cancellationToken
        );
        var found = await read.Command.ReadAllAsync(
            row => (TenantId: row.GetGuid(row.FieldCount - 1), Job: JobRow.Read(row, _shapes)),
            cancellationToken
        );
        return found.ToDictionary(each => (each.TenantId, each.Job.Id), each => each.Job);
    }

    /// <returns>Jobs without their output, newest first.</returns>
    public async Task<IReadOnlyList<Job>> ListAsync(Guid tenantId, JobFilter filter, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Built from constants of this feature.
        await using var command = database.CreateCommandFor(tenantId, ListSql);
#pragma warning restore CA2100
        // The id's time is the Api's and a little earlier than created_at, which is Postgres': the key narrows, the column decides.
        var before = Earlier(filter.Before, filter.CreatedBefore is { } created ? JobIds.FirstOf(Shifted(created, ClockMargin)) : null);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("before", before ?? Guid.AllBitsSet);
        command.Parameters.AddWithValue(
            "from",
            filter.CreatedAfter is { } after ? JobIds.FirstOf(Shifted(after, -ClockMargin)) : Guid.Empty
        );
        command.Parameters.AddWithValue("created_after", NpgsqlDbType.TimestampTz, Utc(filter.CreatedAfter));
        command.Parameters.AddWithValue("created_before", NpgsqlDbType.TimestampTz, Utc(filter.CreatedBefore));
        command.Parameters.AddWithValue(
            "statuses",
            NpgsqlDbType.Array | NpgsqlDbType.Smallint,
            filter.Statuses is { } statuses ? statuses.Select(status => (short)status).ToArray() : DBNull.Value
        );
        command.Parameters.AddWithValue("type", NpgsqlDbType.Smallint, filter.Type is { } type ? (short)type : DBNull.Value);
        command.Parameters.AddWithValue("feature", NpgsqlDbType.Text, (object?)filter.Feature ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", filter.Limit);
        return await command.ReadAllAsync(row => JobRow.Read(row, _shapes), cancellationToken);
    }

    private Task<HotCommand> OpenAsync(string actingSql, Guid tenantId, Guid jobId, CancellationToken cancellationToken) =>
        HotCommand.OpenForAsync(
            hot,
            tenantId,
            actingSql,
            parameters =>
            {
                parameters.AddWithValue("id", jobId);
                parameters.AddWithValue("tenant_id", tenantId);
            },
            cancellationToken
        );

    private static object Utc(DateTimeOffset? moment) => moment is { } set ? set.ToUniversalTime() : DBNull.Value;

    private static DateTimeOffset Shifted(DateTimeOffset moment, TimeSpan by) =>
        (by < TimeSpan.Zero && moment < DateTimeOffset.UnixEpoch) || (by > TimeSpan.Zero && moment > DateTimeOffset.MaxValue - by)
            ? moment
            : moment + by;

    private static Guid? Earlier(Guid? left, Guid? right) =>
        (left, right) switch
        {
            ({ } a, { } b) => a.CompareTo(b) < 0 ? a : b,
            _ => left ?? right,
        };
}
