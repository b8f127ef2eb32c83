using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Webhooks.Inbound;

/// <summary>Remembers messages for a week, so that each makes one job.</summary>
/// <remarks>
/// The job's id is decided here, before the job: whoever dies in between, the sender sends again and the job gets the same id, which the
/// database has room for once.
/// </remarks>
public sealed class WebhookReceipts(NpgsqlDataSource database)
{
    private const string ClaimSql = """
        INSERT INTO webhook_receipts AS r (source_id, message_id, tenant_id, job_id) VALUES (@source_id, @message_id, @tenant_id, @job_id)
        ON CONFLICT (source_id, message_id) DO UPDATE SET message_id = r.message_id
        RETURNING job_id, accepted
        """;

    private const string AcceptSql =
        "UPDATE webhook_receipts SET accepted = true WHERE source_id = @source_id AND message_id = @message_id";

    private const string PruneSql = "DELETE FROM webhook_receipts WHERE at < now() - interval '7 days'";

    /// <param name="source">Who sent it.</param>
    /// <param name="messageId">Its <c>webhook-id</c>.</param>
    /// <param name="jobId">The id of its job if it is new.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The id of its job, and whether there is that job.</returns>
    public async Task<(Guid JobId, bool Accepted)> ClaimAsync(
        WebhookSource source,
        string messageId,
        Guid jobId,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(source.TenantId, ClaimSql);
        command.Parameters.AddWithValue("source_id", source.Id);
        command.Parameters.AddWithValue("message_id", messageId);
        command.Parameters.AddWithValue("tenant_id", source.TenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        return (await command.ReadAllAsync(row => (row.GetGuid(0), row.GetBoolean(1)), cancellationToken)).Single();
    }

    /// <summary>Notes that there is the job.</summary>
    public async Task AcceptAsync(WebhookSource source, string messageId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(source.TenantId, AcceptSql);
        command.Parameters.AddWithValue("source_id", source.Id);
        command.Parameters.AddWithValue("message_id", messageId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Forgets what came more than a week ago: a sender has given up long before.</summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(PruneSql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
