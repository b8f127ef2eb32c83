using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Versions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>The store of jobs in Postgres. Each statement is beside the logic that asks for it.</summary>
internal sealed partial class PostgresJobStore(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource hot,
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    StoredShapes? shapes = null
) : IJobStore
{
    private readonly StoredShapes _shapes = shapes ?? StoredShapes.Current;

    public Task<IReadOnlyDictionary<(Guid TenantId, Guid JobId), Job>> FindEndedAsync(
        IReadOnlyList<(Guid TenantId, Guid JobId)> jobs,
        CancellationToken cancellationToken
    ) => new JobReads(database, hot, _shapes).FindEndedAsync(jobs, cancellationToken);
}
