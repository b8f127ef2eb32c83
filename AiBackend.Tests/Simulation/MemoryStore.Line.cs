using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Simulation;

/// <summary>What the dispatcher reads.</summary>
internal partial class MemoryStore
{
    private readonly SortedDictionary<Guid, (WorkerHeartbeat Heartbeat, DateTimeOffset At)> _heartbeats = [];
    private readonly HashSet<Guid> _stopped = [];

    public Task<LineHeads> ReadHeadsAsync(HeadsRequest request, CancellationToken cancellationToken)
    {
        var kinds = _jobs
            .Values.Where(job => job.Status == JobStatus.Queued && job.CrashCount < RescueJobs.AloneAfter)
            .Where(job => request.All || job.DueAt < Now - request.Age)
            .Select(Waiting)
            .GroupBy(JobKind.Of)
            .OrderBy(kind => kind.Key.Level)
            .ThenBy(kind => kind.Key.TenantId)
            .ThenBy(kind => kind.Key.Length)
            .ThenBy(kind => kind.Key.Model, StringComparer.Ordinal)
            .ToList();
        var most = Math.Min(request.Limit, Math.Max(2, 2 * request.Limit / Math.Max(1, kinds.Count)));
        return Task.FromResult(
            new LineHeads(
                [.. kinds.SelectMany(kind => kind.OrderBy(job => job.Id).Take(most + request.More.GetValueOrDefault(kind.Key)))],
                [.. kinds.Select(kind => kind.Key)],
                kinds.Exists(kind => kind.Count() >= most + request.More.GetValueOrDefault(kind.Key)),
                []
            )
        );
    }

    public Task<IReadOnlyList<RunningJobs>> ReadRunningAsync(
        IReadOnlyCollection<Guid> apart,
        IReadOnlyCollection<Guid> known,
        CancellationToken cancellationToken
    ) =>
        Task.FromResult<IReadOnlyList<RunningJobs>>([
            .. _jobs
                .Values.Where(job => job.Status == JobStatus.Processing && !known.Contains(job.Draft.Id))
                .Select(job =>
                    (
                        job.Draft.Priority,
                        job.Draft.ExpectedLength,
                        Math.Max(job.Draft.ExpectedLength, JobLength.Of(Now - job.ClaimedAt!.Value))
                    )
                )
                .CountBy(kind => kind)
                .Select(kind => new RunningJobs(kind.Key.Priority, kind.Key.ExpectedLength, kind.Key.Item3, kind.Value)),
        ]);

    public Task<IReadOnlyDictionary<Guid, string>> FindHoldersAsync(
        IReadOnlyCollection<Guid> jobIds,
        CancellationToken cancellationToken
    ) =>
        Task.FromResult<IReadOnlyDictionary<Guid, string>>(
            _jobs
                .Values.Where(job => jobIds.Contains(job.Draft.Id) && job.Status == JobStatus.Processing && job.WorkerId is not null)
                .ToDictionary(job => job.Draft.Id, job => job.WorkerId!.Value.ToString("N"))
        );

    public Task<InteractiveDemand> ReadInteractiveDemandAsync(CancellationToken cancellationToken)
    {
        var jobs = _jobs.Values.Where(job => job.Draft.Priority == JobPriority.Interactive).ToList();
        var waiting = jobs.FindAll(job => job.Status == JobStatus.Queued && job.CrashCount < RescueJobs.AloneAfter);
        return Task.FromResult(
            new InteractiveDemand(
                waiting.Select(job => Now - job.DueAt).DefaultIfEmpty().Max(),
                waiting.Count + jobs.Count(job => job.Status == JobStatus.Processing)
            )
        );
    }

    public Task<IReadOnlyDictionary<string, int>> ReadSlotsAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<string, int>>(
            _heartbeats
                .Where(worker =>
                    !_stopped.Contains(worker.Key) && !worker.Value.Heartbeat.Draining && worker.Value.At > Now - TimeSpan.FromSeconds(10)
                )
                .ToDictionary(worker => worker.Key.ToString("N"), worker => worker.Value.Heartbeat.ReadySlots)
        );

    /// <summary>Nobody has any here.</summary>
    public Task<IReadOnlyDictionary<Guid, int>> ReadReservedAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<Guid, int>>(new Dictionary<Guid, int>());

    private void Note(WorkerHeartbeat heartbeat) => _heartbeats[heartbeat.WorkerId] = (heartbeat, Now);

    /// <summary>For good: a heartbeat that was on its way meanwhile does not wake the dead.</summary>
    private void Stop(Guid workerId) => _stopped.Add(workerId);

    private WaitingJob Waiting(JobRecord job) =>
        new(
            job.Draft.Id,
            job.Draft.TenantId,
            QueueTiers.Standard,
            job.Draft.Priority,
            job.Draft.ExpectedLength,
            job.Draft.ExpectedTokens,
            Now - job.DueAt,
            job.Draft.Model
        );
}
