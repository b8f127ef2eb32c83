using AiBackend.Core.Jobs;
using StackExchange.Redis;

namespace AiBackend.Core.Queue;

/// <summary>One entry of the ready stream.</summary>
/// <param name="EntryId">Redis' id of the entry, to acknowledge it.</param>
/// <param name="JobId">The job; everything else about it is in Postgres.</param>
public readonly record struct ReadyEntry(string EntryId, Guid JobId);

/// <summary>An entry that was read long ago and never acknowledged.</summary>
/// <param name="Entry">The entry; without a job when the stream has lost it.</param>
/// <param name="Consumer">Who read it.</param>
public readonly record struct StaleEntry(ReadyEntry Entry, string Consumer);

/// <summary>What is in the ready stream.</summary>
/// <param name="Unread">Job ids that no worker has read yet.</param>
/// <param name="Held">Entries that each consumer has read and not acknowledged: the jobs that it runs.</param>
public sealed record ReadyState(HashSet<Guid> Unread, IReadOnlyDictionary<string, int> Held)
{
    /// <summary>Job ids that went past the line a moment ago: perhaps not yet claimed, though perhaps read.</summary>
    public HashSet<Guid> PastLine { get; init; } = [];

    /// <summary>Entries that need a slot or hold one.</summary>
    public int InFlight => Unread.Count + Held.Values.Sum();
}

/// <summary>Slots that are kept free of others' jobs.</summary>
/// <param name="InFlight">Entries that may need or hold a slot when all slots are counted, those that are kept too.</param>
/// <param name="Together">How many are kept.</param>
/// <param name="Owed">How many of them each tenant may take.</param>
public sealed record KeptSlots(int InFlight, int Together, IReadOnlyDictionary<Guid, int> Owed);

/// <summary>The short list of job ids that workers may claim next. An entry is a hint; losing all of them delays jobs and loses none.</summary>
/// <remarks>Every method fails with <see cref="RedisException"/> or <see cref="TimeoutException"/> while Redis is away.</remarks>
public interface IReadyQueue
{
    /// <summary>A message here means that there are new entries.</summary>
    string WakeChannel { get; }

    /// <summary>A message here means that jobs wait in a backlog while nothing is left to read: time for the dispatcher.</summary>
    string RoomChannel { get; }

    /// <summary>Entries that may wait unread.</summary>
    int Limit { get; }

    /// <summary>Adds jobs that were just committed, unless a backlog waits in Postgres: then they must not overtake it.</summary>
    /// <remarks>
    /// Those for whose tenants slots are kept go to them past the backlog: what was told by <see cref="KeepAsync"/> is used until they are
    /// acknowledged, or until one of the tenant's jobs has to wait.
    /// </remarks>
    /// <returns>How many were taken; when fewer than all, the dispatcher knows of a backlog.</returns>
    Task<int> OfferNewAsync(IReadOnlyList<NewJob> jobs);

    /// <summary>Adds jobs in the order that the dispatcher has decided.</summary>
    /// <param name="jobIds">The first goes first.</param>
    /// <param name="inFlight">Entries that may need or hold a slot; null is <see cref="Limit"/> unread ones. Others may have come meanwhile.</param>
    /// <returns>How many were taken, the first ones of the list.</returns>
    Task<int> OfferOrderedAsync(IReadOnlyList<Guid> jobIds, int? inFlight);

    /// <summary>Tells that there is a dispatcher, and how many entries may need or hold a slot before new jobs must go through it.</summary>
    /// <param name="inFlight">Null leaves it at <see cref="Limit"/> unread ones.</param>
    Task GuideAsync(int? inFlight);

    /// <summary>Tells of slots that new jobs of some tenants find free although others wait. It holds until it is told anew, at most for three seconds.</summary>
    /// <param name="kept">The slots.</param>
    Task KeepAsync(KeptSlots kept);

    /// <summary>Whether a dispatcher has told so lately: then what is not in the stream has its reason.</summary>
    Task<bool> IsGuidedAsync();

    /// <summary>Takes up to <paramref name="count"/> entries; they stay pending until acknowledged.</summary>
    Task<IReadOnlyList<ReadyEntry>> ReadAsync(string consumer, int count);

    /// <summary>Removes entries whose jobs are recorded in Postgres as ended or as somebody else's.</summary>
    Task AcknowledgeAsync(IReadOnlyCollection<string> entryIds);

    /// <summary>What is in the stream now.</summary>
    /// <param name="keepsSlots">Some tenants have slots of their own, so that jobs may have gone past the line.</param>
    Task<ReadyState> LookAsync(bool keepsSlots = false);

    /// <summary>Entries that were read so long ago and are not acknowledged: of jobs that run for long, of workers that died, of lost replies.</summary>
    Task<IReadOnlyList<StaleEntry>> FindStaleAsync(TimeSpan idle);

    /// <summary>Removes entries that nobody holds and nobody will ever be given.</summary>
    Task DropOrphansAsync();

    /// <summary>Lets new jobs go straight to workers again. Call before looking for a backlog, so that none slips between.</summary>
    Task ClearBacklogAsync();

    /// <summary>Sends new jobs to the end of the backlog in Postgres.</summary>
    Task NoteBacklogAsync();

    /// <summary>Whether new jobs go to a backlog in Postgres.</summary>
    Task<bool> HasBacklogAsync();

    /// <summary>Forgets a consumer that stopped cleanly.</summary>
    Task RemoveConsumerAsync(string consumer);

    /// <summary>Forgets consumers that hold nothing and have not been heard of for a while; a living one makes itself known again.</summary>
    /// <returns>How many.</returns>
    Task<int> RemoveIdleConsumersAsync(TimeSpan idle);
}
