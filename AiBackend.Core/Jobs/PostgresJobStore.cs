using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>The store of jobs in Postgres. Each statement is beside the logic that asks for it.</summary>
internal sealed partial class PostgresJobStore(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource hot
) : IJobStore
{
    public Task<Job?> FindForEventAsync(Guid jobId, CancellationToken cancellationToken) =>
        new JobReads(database).FindForEventAsync(jobId, cancellationToken);
}
