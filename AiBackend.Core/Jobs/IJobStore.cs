using System.Collections.ObjectModel;

namespace AiBackend.Core.Jobs;

/// <summary>The statements that decide a job's life: each is one atomic, guarded change or one read.</summary>
/// <remarks>
/// The edge of the durable core. What retries, fences, rescues and announces is written against it, so that the same code runs on
/// Postgres and under a simulated schedule. A method that changes rows fails with <see cref="Npgsql.NpgsqlException"/>
/// or <see cref="TimeoutException"/>, and then may or may not have changed them.
/// </remarks>
public interface IJobStore
{
    /// <summary>Makes jobs with their keys, payloads and first events, all or none; a draft whose key exists is left out, and one that others of its conversation keep out.</summary>
    Task<InsertResult> InsertAsync(IReadOnlyList<JobDraft> drafts);

    /// <returns>When a job that exists was accepted.</returns>
    Task<DateTimeOffset> ReadCreatedAtAsync(Guid tenantId, Guid jobId);

    /// <returns>What an idempotency key was used for; null when it is new.</returns>
    Task<KeyUse?> FindKeyAsync(Guid tenantId, string key, CancellationToken cancellationToken);

    /// <summary>Deletes an expired key that still names this job.</summary>
    Task ForgetKeyAsync(Guid tenantId, string key, Guid jobId);

    /// <summary>Queued → Processing, for as many of the given jobs as are still free.</summary>
    /// <param name="workerId">Who takes them.</param>
    /// <param name="jobIds">Sorted.</param>
    /// <param name="lease">How long the claim lasts without renewal.</param>
    /// <param name="pool">Whose jobs to take; null takes those of any pool that must run alone (<see cref="RescueJobs.AloneAfter"/>).</param>
    /// <param name="cancellationToken">Ends the wait, not a claim that was sent.</param>
    Task<ClaimResult> ClaimAsync(Guid workerId, Guid[] jobIds, TimeSpan lease, string? pool, CancellationToken cancellationToken);

    /// <summary>Extends all leases of one worker and records its heartbeat, in one round trip.</summary>
    /// <returns>For every lease that still holds: whether a caller asked to cancel the job. Those missing are lost.</returns>
    Task<IReadOnlyDictionary<Guid, bool>> RenewAsync(
        WorkerHeartbeat heartbeat,
        IReadOnlyList<JobLease> leases,
        TimeSpan lease,
        CancellationToken cancellationToken
    );

    /// <summary>Records that a worker stopped cleanly; its name stays for traces.</summary>
    Task RecordStopAsync(Guid workerId, CancellationToken cancellationToken);

    /// <returns>The jobs for which exactly this write is committed already.</returns>
    Task<IReadOnlySet<Guid>> FindAppliedAsync(IReadOnlyList<LeasedWrite> writes);

    /// <summary>Adds events of running jobs.</summary>
    /// <returns>The jobs whose events are committed; for those missing the lease has passed on.</returns>
    Task<IReadOnlySet<Guid>> AppendAsync(IReadOnlyList<LeasedWrite> writes);

    /// <summary>Ends attempts, with their last events.</summary>
    /// <returns>The jobs whose end is committed; for those missing the lease has passed on.</returns>
    Task<IReadOnlySet<Guid>> EndAsync(IReadOnlyList<LeasedWrite> writes);

    /// <returns>Running jobs with an expired lease, in id order after <paramref name="after"/>.</returns>
    Task<Guid[]> FindExpiredLeasesAsync(Guid after, int limit, CancellationToken cancellationToken);

    /// <summary>Processing → Queued, Failed or Cancelled, for those of the jobs whose lease is still expired.</summary>
    /// <returns>Two events of each: the reset and what follows it.</returns>
    Task<IReadOnlyList<JobEventRecord>> RescueAsync(Guid[] ids, CancellationToken cancellationToken);

    /// <summary>What time alone does: cancels that an attempt's end overtook, due times, deadlines; at most <paramref name="limit"/> of each.</summary>
    Task<IReadOnlyList<JobEventRecord>> AdvanceDueAsync(int limit, CancellationToken cancellationToken);

    /// <summary>Any waiting status → Cancelled; a running job is marked.</summary>
    /// <returns>Where the job stands now; null when it had ended or the tenant has none with this id.</returns>
    Task<JobHead?> CancelAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken);

    /// <summary>The net below <see cref="IJobSignals.CancelRequested"/>.</summary>
    /// <returns>Running jobs of a worker that a caller has cancelled.</returns>
    Task<Guid[]> FindCancelledAsync(Guid workerId, CancellationToken cancellationToken);

    /// <returns>Null when the tenant has no job with this id.</returns>
    Task<JobStatus?> FindStatusAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken);

    /// <returns>Those of these jobs that their tenants have and that have ended, with their outputs.</returns>
    Task<IReadOnlyDictionary<(Guid TenantId, Guid JobId), AiBackend.ApiContracts.Jobs.Job>> FindEndedAsync(
        IReadOnlyList<(Guid TenantId, Guid JobId)> jobs,
        CancellationToken cancellationToken
    );
}

/// <summary>What an insert did.</summary>
/// <param name="CreatedAt">The store's time of the transaction.</param>
/// <param name="Accepted">Of the drafts with a key, those that were inserted.</param>
public sealed record InsertResult(DateTimeOffset CreatedAt, IReadOnlySet<Guid> Accepted)
{
    /// <summary>Drafts that were left out because of an open job of their conversation, and that job.</summary>
    public IReadOnlyDictionary<Guid, Guid> KeptOut { get; init; } = ReadOnlyDictionary<Guid, Guid>.Empty;
}

/// <summary>An earlier use of an idempotency key.</summary>
/// <param name="JobId">The job it made.</param>
/// <param name="Fingerprint">Of the request of then.</param>
/// <param name="Expired">Whether the key may be used anew.</param>
public sealed record KeyUse(Guid JobId, byte[] Fingerprint, bool Expired);
