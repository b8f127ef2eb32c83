using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Which of a worker's running jobs a caller has cancelled; the net below <see cref="IJobSignals.CancelRequested"/>.</summary>
public sealed class FindCancelledJobs([FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource database)
{
    // By the partial index jobs_cancel, which is empty but for the moments between a cancel and its end.
    private const string Sql = "SELECT id FROM jobs WHERE cancel_requested AND status < 6 AND worker_id = @worker_id";

    /// <returns>Running jobs that this worker should stop.</returns>
    public async Task<IReadOnlyList<Guid>> RunAsync(Guid workerId, CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(
            database,
            Sql,
            parameters => parameters.AddWithValue("worker_id", workerId),
            cancellationToken
        );
        return await hot.Command.ReadIdsAsync(cancellationToken);
    }
}
