using System.Globalization;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>What time, rescuers and callers do to jobs.</summary>
internal partial class MemoryStore
{
    private static readonly JobError Lost = new(
        "worker_lost",
        "transient",
        "The worker running this job was lost. The job runs again; the lost attempt is not counted.",
        Retryable: true
    );

    private static readonly JobError Poison = new(
        "poison",
        "unknown",
        "The worker running this job died 3 times; the job is taken to be the cause. Change its input before you replay it.",
        Retryable: false
    );

    private static readonly JobError TooLate = new(
        "deadline_exceeded",
        "transient",
        "The deadline passed before the job could finish. Submit it again with a later deadline or a higher priority.",
        Retryable: true
    );

    public Task<Guid[]> FindExpiredLeasesAsync(Guid after, int limit, CancellationToken cancellationToken) =>
        Task.FromResult(
            _jobs
                .Values.Where(job => HasExpired(job) && job.Draft.Id.CompareTo(after) > 0)
                .Take(limit)
                .Select(job => job.Draft.Id)
                .ToArray()
        );

    public Task<IReadOnlyList<JobEventRecord>> RescueAsync(Guid[] ids, CancellationToken cancellationToken)
    {
        var events = new List<JobEventRecord>();
        foreach (var job in ids.Distinct().Order().Select(Find).OfType<JobRecord>().Where(MayBeRescued))
        {
            var crashes = CrashesAfter(job);
            var isTooLate = job.Draft.Deadline <= Now;
            var isOver = job.CancelRequested || crashes >= RescueJobs.MaxCrashes || isTooLate;
            job.Status =
                job.CancelRequested ? JobStatus.Cancelled
                : isOver ? JobStatus.Failed
                : JobStatus.Queued;
            job.DueAt = Now;
            job.CrashCount = crashes;
            job.Excused++;
            job.LeaseUntil = null;
            job.FinishedAt = isOver ? Now : null;
            job.Error =
                job.CancelRequested ? null
                : crashes >= RescueJobs.MaxCrashes ? Poison
                : isTooLate ? TooLate
                : Lost;
            job.IsDeadLetter |= job.Status == JobStatus.Failed;
            job.Attempts.Add((job.Attempt, AttemptOutcome.Lost));
            var first = job.Events.Count;
            AddReset(job);
            Add(job, isOver ? JobEventKind.Final : JobEventKind.State, isOver ? JobEventPayload.Final : QueuedAgain(job));
            events.AddRange(job.Events.Skip(first));
        }

        return Task.FromResult<IReadOnlyList<JobEventRecord>>(events);
    }

    private static byte[] QueuedAgain(JobRecord job) =>
        Json(
            job.CrashCount >= RescueJobs.AloneAfter
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $$"""{"status":"queued","attempt":{{job.Attempt}},"waiting_reason":"isolation"}"""
                )
                : State("queued", job.Attempt)
        );

    protected virtual bool MayBeRescued(JobRecord job) => HasExpired(job);

    protected virtual int CrashesAfter(JobRecord job) => job.CrashCount + 1;

    protected virtual void AddReset(JobRecord job) =>
        Add(
            job,
            JobEventKind.Reset,
            Json(string.Create(CultureInfo.InvariantCulture, $$"""{"attempt":{{job.Attempt}},"reason":"worker_lost"}"""))
        );

    public Task<IReadOnlyList<JobEventRecord>> AdvanceDueAsync(int limit, CancellationToken cancellationToken)
    {
        var events = new List<JobEventRecord>();
        foreach (var job in Waiting().Where(job => job.CancelRequested).Take(limit).ToList())
        {
            Finish(job, JobStatus.Cancelled, null, events);
        }

        foreach (var job in Waiting().Where(IsDue).OrderBy(job => job.DueAt).ThenBy(job => job.Draft.Id).Take(limit).ToList())
        {
            job.Status = JobStatus.Queued;
            Add(job, JobEventKind.State, QueuedAgain(job));
            events.Add(job.Events[^1]);
        }

        foreach (
            var job in Waiting()
                .Where(job => job.Draft.Deadline <= Now)
                .OrderBy(job => job.Draft.Deadline)
                .ThenBy(job => job.Draft.Id)
                .Take(limit)
                .ToList()
        )
        {
            Finish(job, JobStatus.Failed, TooLate, events);
            job.IsDeadLetter = true;
        }

        return Task.FromResult<IReadOnlyList<JobEventRecord>>(events);
    }

    public Task<JobHead?> CancelAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        if (Find(jobId) is not { } job || job.Draft.TenantId != tenantId || !MayBeCancelled(job))
        {
            return Task.FromResult<JobHead?>(null);
        }

        job.CancelRequested = true;
        job.Error = null;
        if (job.Status != JobStatus.Processing)
        {
            Finish(job, JobStatus.Cancelled, null, []);
        }

        return Task.FromResult<JobHead?>(new JobHead(job.Status, job.LastSeq));
    }

    public Task<Guid[]> FindCancelledAsync(Guid workerId, CancellationToken cancellationToken) =>
        Task.FromResult(
            _jobs
                .Values.Where(job => job.CancelRequested && !job.Status.IsTerminal() && job.WorkerId == workerId)
                .Select(job => job.Draft.Id)
                .ToArray()
        );

    protected virtual bool MayBeCancelled(JobRecord job) => !job.Status.IsTerminal();

    private bool HasExpired(JobRecord job) => job.Status == JobStatus.Processing && job.LeaseUntil < Now;

    private bool IsDue(JobRecord job) => job.Status is JobStatus.Scheduled or JobStatus.Retrying && job.DueAt <= Now;

    private IEnumerable<JobRecord> Waiting() => _jobs.Values.Where(job => !job.Status.IsTerminal() && job.Status != JobStatus.Processing);

    private void Finish(JobRecord job, JobStatus status, JobError? error, List<JobEventRecord> events)
    {
        job.Status = status;
        job.FinishedAt = Now;
        job.Error = error;
        Add(job, JobEventKind.Final, JobEventPayload.Final);
        events.Add(job.Events[^1]);
    }

    private static string State(string status, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $$"""{"status":"{{status}}","attempt":{{attempt}}}""");
}
