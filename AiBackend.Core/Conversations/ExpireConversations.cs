using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Conversations;

/// <summary>Deletes conversations that nobody continues any more, and messages that their tenants keep for a shorter time: the leader's part.</summary>
public sealed class ExpireConversations(NpgsqlDataSource database, IOptions<ConversationOptions> options)
{
    private const int MaxBatch = 500;

    // Each takes all its messages along, in one statement.
    private const int MaxConversations = 10;

    private const string MessagesSql = """
        DELETE FROM conversation_messages WHERE (conversation_id, seq) IN (
            SELECT m.conversation_id, m.seq
              FROM tenants t JOIN conversation_messages m ON m.tenant_id = t.id AND m.created_at < now() - make_interval(days => t.content_days)
             WHERE t.content_days IS NOT NULL AND t.deletion_at IS NULL LIMIT @limit)
        """;

    // With their messages; what is about to be continued stays.
    private const string ConversationsSql = """
        DELETE FROM conversations WHERE id IN (
            SELECT c.id FROM tenants t JOIN conversations c ON c.tenant_id = t.id
               AND c.updated_at < now() - least(nullif(@keep, interval '0'), make_interval(days => t.content_days))
             WHERE t.deletion_at IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.conversation_id = c.id AND j.status < 6)
             LIMIT @limit)
        """;

    /// <returns>How many rows are gone, but for messages of whole conversations.</returns>
    public async Task<long> RunAsync(CancellationToken cancellationToken) =>
        await ExpireAsync(MessagesSql, MaxBatch, cancellationToken)
        + await ExpireAsync(ConversationsSql, MaxConversations, cancellationToken);

    private async Task<long> ExpireAsync(string sql, int most, CancellationToken cancellationToken)
    {
        var (all, batch) = (0L, most);
        while (batch == most)
        {
#pragma warning disable CA2100 // Constants of this class.
            await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("limit", most);
            if (sql == ConversationsSql)
            {
                command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, options.Value.KeepFor);
            }

            batch = await command.ExecuteNonQueryAsync(cancellationToken);
            all += batch;
        }

        return all;
    }
}
