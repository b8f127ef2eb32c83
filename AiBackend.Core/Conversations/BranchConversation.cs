using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Conversations;

/// <summary>Makes a conversation that begins like another one.</summary>
/// <remarks>With copies of the messages: what happens to one conversation does not happen to the other. A copy keeps the job and the time of its original.</remarks>
public sealed class BranchConversation(NpgsqlDataSource database)
{
    private const string Sql = $"""
        WITH made AS (
            INSERT INTO conversations (id, tenant_id, title, instructions, end_user, metadata, last_seq, summary, summary_upto, branch_of, branch_seq,
                                       created_by)
            SELECT @new_id, c.tenant_id, coalesce(@title, c.title), c.instructions, c.end_user, c.metadata, coalesce(@after, c.last_seq),
                   CASE WHEN c.summary_upto <= coalesce(@after, c.last_seq) THEN c.summary END,
                   CASE WHEN c.summary_upto <= coalesce(@after, c.last_seq) THEN c.summary_upto ELSE 0 END,
                   c.id, coalesce(@after, c.last_seq), @created_by
              FROM conversations c
             WHERE c.id = @id AND c.tenant_id = @tenant_id AND coalesce(@after, 0) <= c.last_seq
            RETURNING {ConversationStore.Columns}
        ), copied AS (
            INSERT INTO conversation_messages (conversation_id, seq, tenant_id, role, content, partial, job_id, created_at)
            SELECT made.id, m.seq, m.tenant_id, m.role, m.content, m.partial, m.job_id, m.created_at
              FROM made JOIN conversation_messages m ON m.conversation_id = @id AND m.tenant_id = @tenant_id AND m.seq <= made.branch_seq
        )
        SELECT {ConversationStore.Columns} FROM made
        """;

    /// <param name="tenantId">Whose conversation.</param>
    /// <param name="id">Which.</param>
    /// <param name="newId">Of the new one.</param>
    /// <param name="request">Where it leaves the other one.</param>
    /// <param name="by">Who makes it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The new one; null when there is no such conversation, or it has no such message yet.</returns>
    public async Task<Conversation?> RunAsync(
        Guid tenantId,
        Guid id,
        Guid newId,
        BranchRequest request,
        string by,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, Sql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("new_id", newId);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Integer, (object?)request.After ?? DBNull.Value);
        command.Parameters.AddWithValue("title", NpgsqlDbType.Text, (object?)request.Title ?? DBNull.Value);
        command.Parameters.AddWithValue("created_by", by);
        return (await command.ReadAllAsync(ConversationStore.Read, cancellationToken)).SingleOrDefault();
    }
}
