using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;

namespace AiBackend.Tests.Queue;

/// <summary>New jobs for whose tenant nothing is kept.</summary>
internal static class NobodysJobs
{
    public static Task<int> OfferNewAsync(this IReadyQueue queue, IEnumerable<Guid> jobIds) =>
        queue.OfferNewAsync([.. jobIds.Select(id => new NewJob(id, Guid.Empty))]);
}
