using AiBackend.Core.Jobs;

namespace AiBackend.Core.Queue.Order;

/// <summary>A queued job as the dispatcher sees it.</summary>
/// <param name="Id">The job.</param>
/// <param name="TenantId">Whose it is.</param>
/// <param name="Tier">The tenant's tier.</param>
/// <param name="Level">How urgent it is.</param>
/// <param name="Length">How long it is expected to run: a class of <see cref="JobLength"/>.</param>
/// <param name="Tokens">What it is expected to cost, in tokens.</param>
/// <param name="Waited">Since it could have started.</param>
/// <param name="Model">The model it asks for.</param>
public readonly record struct WaitingJob(
    Guid Id,
    Guid TenantId,
    string Tier,
    JobPriority Level,
    short Length,
    int Tokens,
    TimeSpan Waited,
    string Model
);

/// <summary>Jobs of one kind that hold slots, or were offered to workers and will.</summary>
/// <param name="Level">How urgent they are.</param>
/// <param name="Expected">How long they were expected to run.</param>
/// <param name="Length">The same, or how long they already did run if that is longer.</param>
/// <param name="Count">How many.</param>
/// <param name="TenantId">Whose they are; null when that makes no difference.</param>
public readonly record struct RunningJobs(JobPriority Level, short Expected, short Length, int Count, Guid? TenantId = null);
