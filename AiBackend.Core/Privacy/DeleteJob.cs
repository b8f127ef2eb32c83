using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Privacy;

/// <summary>Deletes a job with all that is known of it, because its tenant wants that. What it cost stays in the sums.</summary>
public sealed class DeleteJob([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    /// <returns>Whether it was there and could go: not while it runs, or a call of it is not settled.</returns>
    public async Task<bool> RunAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited("SELECT delete_job(@tenant_id, @job_id)", out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        return (await batch.ReadAllAsync(row => row.GetBoolean(0), cancellationToken))[0];
    }
}
