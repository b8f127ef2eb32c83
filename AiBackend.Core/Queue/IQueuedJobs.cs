using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Core.Queue;

/// <summary>Which jobs wait for a worker, and what there is to run them.</summary>
public interface IQueuedJobs
{
    /// <summary>The way to work when Redis is away, or nobody dispatches: queued jobs straight from Postgres, by priority and age.</summary>
    /// <returns>Jobs that may be claimed, near the head of the line.</returns>
    Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken);

    /// <returns>The oldest queued jobs of every kind; of very many kinds those whose turn it is.</returns>
    Task<LineHeads> ReadHeadsAsync(HeadsRequest request, CancellationToken cancellationToken);

    /// <param name="apart">Tenants whose jobs are counted apart from those of others.</param>
    /// <param name="known">Jobs that are counted already.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many jobs of each kind hold slots; one that has run for longer than was expected is as long as it has run.</returns>
    Task<IReadOnlyList<RunningJobs>> ReadRunningAsync(
        IReadOnlyCollection<Guid> apart,
        IReadOnlyCollection<Guid> known,
        CancellationToken cancellationToken
    );

    /// <returns>Of those jobs that run, the consumer's name of the worker that runs each.</returns>
    Task<IReadOnlyDictionary<Guid, string>> FindHoldersAsync(IReadOnlyCollection<Guid> jobIds, CancellationToken cancellationToken);

    /// <returns>What interactive jobs want now; of those that wait a thousand count.</returns>
    Task<InteractiveDemand> ReadInteractiveDemandAsync(CancellationToken cancellationToken);

    /// <returns>Slots of every worker that lives and takes jobs of the ready stream, by its consumer's name.</returns>
    Task<IReadOnlyDictionary<string, int>> ReadSlotsAsync(CancellationToken cancellationToken);

    /// <returns>Slots that are kept free for tenants, by tenant; of those that have any.</returns>
    Task<IReadOnlyDictionary<Guid, int>> ReadReservedAsync(CancellationToken cancellationToken);
}

/// <summary>Jobs that are alike to the dispatcher: a range of the index jobs_line.</summary>
/// <param name="Level">How urgent they are.</param>
/// <param name="TenantId">Whose they are.</param>
/// <param name="Length">How long they are expected to run.</param>
/// <param name="Model">The model they ask for: all of a paused one are passed over at once.</param>
public readonly record struct JobKind(JobPriority Level, Guid TenantId, short Length, string Model)
{
    /// <summary>The kind of a job.</summary>
    public static JobKind Of(WaitingJob job) => new(job.Level, job.TenantId, job.Length, job.Model);
}

/// <summary>Which heads of the line to read.</summary>
/// <param name="All">Also those younger than <paramref name="Age"/>.</param>
/// <param name="Age">Time for which a job is taken to be on its way.</param>
/// <param name="Limit">Jobs that there is room for: twice as many are read, in about equal parts of all kinds.</param>
/// <param name="More">Of some kinds so many more, because that many at their head are not news.</param>
/// <param name="After">Where the look before stopped: <see cref="LineHeads.Last"/>.</param>
public sealed record HeadsRequest(
    bool All,
    TimeSpan Age,
    int Limit,
    IReadOnlyDictionary<JobKind, int> More,
    IReadOnlyCollection<JobKind> After
);

/// <summary>What a look at the line has shown.</summary>
/// <param name="Jobs">The heads.</param>
/// <param name="Kinds">The kinds that were looked at.</param>
/// <param name="HasMore">Whether there may be jobs behind these.</param>
/// <param name="Last">The last kind of each priority of which there are more kinds.</param>
public sealed record LineHeads(
    IReadOnlyList<WaitingJob> Jobs,
    IReadOnlyCollection<JobKind> Kinds,
    bool HasMore,
    IReadOnlyCollection<JobKind> Last
);
