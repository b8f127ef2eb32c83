using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using Npgsql;

namespace AiBackend.Tests.Simulation;

/// <summary>The store of jobs in memory: the guards of the SQL, statement by statement. Held to Postgres by the tests of this folder.</summary>
/// <remarks>Each call is one atomic step. Guards are virtual, so that a test can plant the bug of forgetting one.</remarks>
internal partial class MemoryStore(World world) : IJobStore, IQueuedJobs, IJobEventLog
{
    private static readonly QueueOptions QueueDefaults = new();

    private readonly SortedDictionary<Guid, JobRecord> _jobs = [];
    private readonly Dictionary<(Guid Tenant, string Key), (byte[] Fingerprint, Guid JobId, DateTimeOffset ExpiresAt)> _keys = [];

    /// <summary>As <see cref="Backend.Dump"/>.</summary>
    public IReadOnlyList<StoredJob> Dump() =>
        [
            .. _jobs.Values.Select(job => new StoredJob(
                job.Draft.Id,
                job.Status,
                job.Epoch,
                job.Attempt,
                job.Excused,
                job.CrashCount,
                job.CancelRequested,
                job.LastSeq,
                job.Error?.Code,
                job.DueAt,
                job.FinishedAt,
                job.Output,
                job.IsDeadLetter,
                string.Join(' ', job.Attempts.Select(attempt => $"{attempt.Attempt}:{(int)attempt.Outcome}"))
            )),
        ];

    protected DateTimeOffset Now => world.Now;

    protected JobRecord? Find(Guid jobId) => _jobs.GetValueOrDefault(jobId);

    public virtual Task<InsertResult> InsertAsync(IReadOnlyList<JobDraft> drafts)
    {
        if (drafts.Any(draft => _jobs.ContainsKey(draft.Id) && !KeyExists(draft)))
        {
            throw new PostgresException(
                "duplicate key value violates unique constraint",
                "ERROR",
                "ERROR",
                PostgresErrorCodes.UniqueViolation
            );
        }

        var accepted = new HashSet<Guid>();
        foreach (var draft in drafts)
        {
            if (draft.IdempotencyKey is not null)
            {
                if (KeyExists(draft))
                {
                    continue;
                }

                _keys[(draft.TenantId, draft.IdempotencyKey)] = (draft.Fingerprint!, draft.Id, Now.AddHours(24));
                accepted.Add(draft.Id);
            }

            var job = new JobRecord(draft, Now) { LastSeq = 0 };
            _jobs.Add(draft.Id, job);
            Add(job, JobEventKind.State, FirstState(draft));
        }

        return Task.FromResult(new InsertResult(Now, accepted));
    }

    protected virtual bool KeyExists(JobDraft draft) =>
        draft.IdempotencyKey is not null && _keys.ContainsKey((draft.TenantId, draft.IdempotencyKey));

    public Task<DateTimeOffset> ReadCreatedAtAsync(Guid tenantId, Guid jobId) => Task.FromResult(_jobs[jobId].CreatedAt);

    public Task<KeyUse?> FindKeyAsync(Guid tenantId, string key, CancellationToken cancellationToken) =>
        Task.FromResult(
            _keys.TryGetValue((tenantId, key), out var use) ? new KeyUse(use.JobId, use.Fingerprint, use.ExpiresAt < Now) : null
        );

    public Task ForgetKeyAsync(Guid tenantId, string key, Guid jobId)
    {
        if (_keys.TryGetValue((tenantId, key), out var use) && use.JobId == jobId && use.ExpiresAt < Now)
        {
            _keys.Remove((tenantId, key));
        }

        return Task.CompletedTask;
    }

    public Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken) =>
        Task.FromResult(
            Queued(job => job.DueAt <= Now - olderThan)
                .Take(limit * 4)
                .Select((id, index) => (id, world.Dice(index)))
                .OrderBy(pick => pick.Item2)
                .Take(limit)
                .Select(pick => pick.id)
                .ToArray()
        );

    public Task<EventPage> ReadAsync(Guid tenantId, Guid jobId, int after, int limit, CancellationToken cancellationToken)
    {
        var bytes = 0;
        List<JobEventRecord> page =
        [
            .. (OfTenant(tenantId, jobId)?.Events ?? [])
                .Where(record => IsAfter(record, after))
                .OrderBy(record => record.Seq)
                .Take(limit)
                .TakeWhile(record => (bytes += record.Data.Length) - record.Data.Length < EventPage.Bytes),
        ];
        return Task.FromResult(new EventPage(page, page.Count == limit || bytes >= EventPage.Bytes));
    }

    protected virtual bool IsAfter(JobEventRecord record, int after) => record.Seq > after;

    public Task<bool> HasEndedByAsync(Guid tenantId, Guid jobId, int after, CancellationToken cancellationToken) =>
        Task.FromResult(OfTenant(tenantId, jobId) is { } job && job.Status.IsTerminal() && job.LastSeq <= after);

    public Task<IReadOnlyDictionary<Guid, LatestEvent>> ReadLatestAsync(Guid[] jobIds, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<Guid, LatestEvent>>(
            jobIds
                .Where(_jobs.ContainsKey)
                .Distinct()
                .ToDictionary(id => id, id => new LatestEvent(_jobs[id].LastSeq, _jobs[id].Status.IsTerminal()))
        );

    public Task<JobStatus?> FindStatusAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken) =>
        Task.FromResult(OfTenant(tenantId, jobId)?.Status);

    public Task<IReadOnlyDictionary<(Guid TenantId, Guid JobId), Job>> FindEndedAsync(
        IReadOnlyList<(Guid TenantId, Guid JobId)> jobs,
        CancellationToken cancellationToken
    ) =>
        Task.FromResult<IReadOnlyDictionary<(Guid TenantId, Guid JobId), Job>>(
            jobs.Where(job => OfTenant(job.TenantId, job.JobId)?.Status.IsTerminal() == true)
                .ToDictionary(job => job, job => Find(job.JobId)!.ToWire())
        );

    private JobRecord? OfTenant(Guid tenantId, Guid jobId) => Find(jobId) is { } job && job.Draft.TenantId == tenantId ? job : null;

    protected static void Add(JobRecord job, JobEventKind kind, byte[] data)
    {
        job.LastSeq++;
        AddAs(job, job.LastSeq, kind, data);
    }

    protected static void Add(JobRecord job, IReadOnlyList<PendingEvent> events, int afterSeq)
    {
        foreach (var pending in events)
        {
            AddAs(job, ++afterSeq, pending.Kind, pending.Data);
        }
    }

    protected static byte[] Json(string json) => Encoding.UTF8.GetBytes(json);

    private static void AddAs(JobRecord job, int seq, JobEventKind kind, byte[] data)
    {
        if (job.Events.Exists(other => other.Seq == seq))
        {
            throw new PostgresException(
                "duplicate key value violates unique constraint",
                "ERROR",
                "ERROR",
                PostgresErrorCodes.UniqueViolation
            );
        }

        job.Events.Add(new JobEventRecord(job.Draft.Id, seq, kind, data));
    }

    private IEnumerable<Guid> Queued(Func<JobRecord, bool> isOld) =>
        _jobs
            .Values.Where(job => job.Status == JobStatus.Queued && job.CrashCount < RescueJobs.AloneAfter && isOld(job))
            .OrderBy(job => job.DueAt < Now - QueueDefaults.AgeUpAfter ? JobPriority.Interactive : job.Draft.Priority)
            .ThenBy(job => job.Draft.Id)
            .Select(job => job.Draft.Id);

    /// <summary>As <see cref="Backend.Suspects"/>.</summary>
    public Guid[] Suspects() =>
        [
            .. _jobs
                .Values.Where(job => job.Status == JobStatus.Queued && job.CrashCount >= RescueJobs.AloneAfter && job.DueAt <= Now)
                .OrderBy(job => job.Draft.Priority)
                .ThenBy(job => job.Draft.Id)
                .Select(job => job.Draft.Id),
        ];

    private static byte[] FirstState(JobDraft draft) =>
        draft.NotBefore is { } due
            ? JobEventPayload.Of(new StateEvent(JobStatuses.Scheduled, 0, WaitingReasons.Scheduled, due.ToUniversalTime()))
            : JobEventPayload.Of(new StateEvent(JobStatuses.Queued, 0));
}
