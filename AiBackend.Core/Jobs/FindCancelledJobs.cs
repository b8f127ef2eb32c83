using AiBackend.Core.Database;

namespace AiBackend.Core.Jobs;

internal sealed partial class PostgresJobStore
{
    // By the partial index jobs_cancel, which is empty but for the moments between a cancel and its end.
    private const string FindCancelledSql = "SELECT id FROM jobs WHERE cancel_requested AND status < 6 AND worker_id = @worker_id";

    public async Task<Guid[]> FindCancelledAsync(Guid workerId, CancellationToken cancellationToken)
    {
        await using var command = await HotCommand.OpenAsync(
            hot,
            FindCancelledSql,
            parameters => parameters.AddWithValue("worker_id", workerId),
            cancellationToken
        );
        return await command.Command.ReadIdsAsync(cancellationToken);
    }
}
