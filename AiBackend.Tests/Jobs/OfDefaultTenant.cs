using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Tests.Jobs;

/// <summary>Reads of the tenant that tests use unless they are about tenants.</summary>
internal static class OfDefaultTenant
{
    public static Task<Job?> FindAsync(this JobReads reads, Guid jobId, CancellationToken cancellationToken) =>
        reads.FindAsync(ApiKeyStore.DefaultTenant, jobId, cancellationToken);

    public static Task<EventPage> ReadAsync(this IJobEventLog log, Guid jobId, int after, int limit, CancellationToken cancellationToken) =>
        log.ReadAsync(ApiKeyStore.DefaultTenant, jobId, after, limit, cancellationToken);

    public static IAsyncEnumerable<JobEventRecord> WatchAsync(
        this JobEventReader reader,
        Guid jobId,
        int after,
        CancellationToken cancellationToken
    ) => reader.WatchAsync(ApiKeyStore.DefaultTenant, jobId, after, cancellationToken);
}
