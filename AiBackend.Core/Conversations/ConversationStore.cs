using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Conversations;

/// <summary>How a conversation stands for a job that is to continue it.</summary>
/// <param name="LastSeq">Number of its latest message.</param>
/// <param name="OpenJob">The oldest of its jobs that has not ended; null when all have.</param>
public readonly record struct ConversationState(int LastSeq, Guid? OpenJob);

/// <summary>Conversations of tenants and their messages (0050_conversations.sql).</summary>
public sealed class ConversationStore(NpgsqlDataSource database)
{
    internal const string Columns =
        "id, title, instructions, end_user, metadata, last_seq, summary, summary_upto, branch_of, branch_seq, created_at, updated_at";

    private const string MessageColumns = "seq, role, content, partial, job_id, tokens, created_at";

    private const string AddSql = $"""
        WITH made AS (
            INSERT INTO conversations (id, tenant_id, title, instructions, end_user, metadata, last_seq, created_by)
            SELECT @id, t.id, @title, @instructions, @end_user, @metadata, cardinality(@roles), @created_by
              FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL
            RETURNING {Columns}
        ), brought AS (
            INSERT INTO conversation_messages (conversation_id, seq, tenant_id, role, content)
            SELECT made.id, m.seq, @tenant_id, m.role, m.content FROM made, unnest(@roles, @contents) WITH ORDINALITY AS m (role, content, seq)
        )
        SELECT {Columns} FROM made
        """;

    private const string FindSql = $"SELECT {Columns} FROM conversations WHERE id = @id AND tenant_id = @tenant_id";

    private const string ListSql = $"""
        SELECT {Columns} FROM conversations
         WHERE tenant_id = @tenant_id AND (@after IS NULL OR id < @after) ORDER BY id DESC LIMIT @limit
        """;

    private const string StateSql = """
        SELECT c.last_seq, (SELECT j.id FROM jobs j WHERE j.conversation_id = c.id AND j.tenant_id = c.tenant_id AND j.status < 6 ORDER BY j.id LIMIT 1)
          FROM conversations c WHERE c.id = @id AND c.tenant_id = @tenant_id
        """;

    private const string DeleteSql = "DELETE FROM conversations WHERE id = @id AND tenant_id = @tenant_id RETURNING id";

    /// <summary>Most of what a page of messages has, in tokens of four bytes each: 4 MiB. One message is always on it.</summary>
    private const int PageTokens = 1_048_576;

    // Sizes first, so that nothing is read that has no room on the page.
    private const string MessagesSql = $"""
        SELECT m.*, page.others
          FROM (SELECT seq AS number, sum(tokens) OVER (ORDER BY seq) AS size, row_number() OVER (ORDER BY seq) AS place, count(*) OVER () AS others
                  FROM (SELECT seq, tokens FROM conversation_messages
                         WHERE conversation_id = @id AND tenant_id = @tenant_id AND seq > @after ORDER BY seq LIMIT @limit + 1) found) page
          JOIN (SELECT {MessageColumns} FROM conversation_messages WHERE conversation_id = @id AND tenant_id = @tenant_id) m ON m.seq = page.number
         WHERE page.place <= @limit AND (page.size <= @most OR page.place = 1) ORDER BY m.seq
        """;

    // A turn that is under way has read what was there before, and its own messages follow these.
    private const string AppendSql = $"""
        WITH grown AS (
            UPDATE conversations c SET last_seq = last_seq + cardinality(@roles), updated_at = now()
             WHERE id = @id AND tenant_id = @tenant_id AND last_seq + cardinality(@roles) <= @most
            RETURNING id, last_seq - cardinality(@roles) AS last
        )
        INSERT INTO conversation_messages (conversation_id, seq, tenant_id, role, content)
        SELECT grown.id, grown.last + m.n, @tenant_id, m.role, m.content FROM grown, unnest(@roles, @contents) WITH ORDINALITY AS m (role, content, n)
        RETURNING {MessageColumns}
        """;

    private const string DeleteMessageSql = """
        DELETE FROM conversation_messages WHERE conversation_id = @id AND tenant_id = @tenant_id AND seq = @seq RETURNING seq
        """;

    /// <summary>Makes one, with the messages that it begins with.</summary>
    /// <returns>Null when the tenant is being deleted.</returns>
    public async Task<Conversation?> AddAsync(
        Guid tenantId,
        Guid id,
        NewConversation request,
        string by,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(tenantId, id, AddSql);
        command.Parameters.AddWithValue("title", NpgsqlDbType.Text, (object?)request.Title ?? DBNull.Value);
        command.Parameters.AddWithValue("instructions", NpgsqlDbType.Text, (object?)request.Instructions ?? DBNull.Value);
        command.Parameters.AddWithValue("end_user", NpgsqlDbType.Text, (object?)request.User ?? DBNull.Value);
        command.Parameters.AddWithValue(
            "metadata",
            NpgsqlDbType.Text,
            request.Metadata is { Count: > 0 } pairs
                ? JsonSerializer.Serialize(pairs, WireJson.Default.IReadOnlyDictionaryStringString)
                : DBNull.Value
        );
        command.Parameters.AddWithValue("created_by", by);
        AddMessages(command.Parameters, request.Messages ?? []);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<Conversation?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, FindSql);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Newest first.</returns>
    public async Task<IReadOnlyList<Conversation>> ListAsync(Guid tenantId, Guid? after, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Uuid, (object?)after ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<ConversationState?> FindStateAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, StateSql);
        return await command.ReadAllAsync(row => new ConversationState(row.GetInt32(0), row.Id(1)), cancellationToken) is [var state]
            ? state
            : null;
    }

    /// <summary>With all its messages.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteSql, out var command);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await batch.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <returns>Messages behind a number, oldest first, as many as <paramref name="limit"/> and the size of a page allow.</returns>
    public async Task<ConversationMessages> MessagesAsync(Guid tenantId, Guid id, int after, int limit, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, MessagesSql);
        command.Parameters.AddWithValue("after", after);
        command.Parameters.AddWithValue("limit", limit);
        command.Parameters.AddWithValue("most", PageTokens);
        var found = await command.ReadAllAsync(row => (Message: ReadMessage(row), Others: row.GetInt64(7)), cancellationToken);
        var isWhole = found.Count == 0 || found[0].Others == found.Count;
        return new([.. found.Select(each => each.Message)], isWhole ? null : found[^1].Message.Seq);
    }

    /// <summary>Adds messages from elsewhere at the end.</summary>
    /// <returns>Them; none when the tenant has no such conversation, or it would have more than <paramref name="most"/>.</returns>
    public async Task<IReadOnlyList<ConversationMessage>> AppendAsync(
        Guid tenantId,
        Guid id,
        IReadOnlyList<NewMessage> messages,
        int most,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(tenantId, id, AppendSql);
        command.Parameters.AddWithValue("most", most);
        AddMessages(command.Parameters, messages);
        return await command.ReadAllAsync(ReadMessage, cancellationToken);
    }

    /// <summary>What a summary says of it goes too.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> DeleteMessageAsync(Guid tenantId, Guid id, int seq, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteMessageSql, out var command);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("seq", seq);
        return await batch.ExecuteScalarAsync(cancellationToken) is not null;
    }

    private NpgsqlCommand For(Guid tenantId, Guid id, string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        var command = database.CreateCommandFor(tenantId, sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", id);
        return command;
    }

    private static void AddMessages(NpgsqlParameterCollection parameters, IReadOnlyList<NewMessage> messages)
    {
        parameters.AddColumn("roles", NpgsqlDbType.Text, messages, message => message.Role);
        parameters.AddColumn("contents", NpgsqlDbType.Text, messages, message => message.Content);
    }

    internal static Conversation Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            Title = row.Text(1),
            Instructions = row.Text(2),
            User = row.Text(3),
            Metadata = row.Text(4) is { } pairs
                ? JsonSerializer.Deserialize(pairs, WireJson.Default.IReadOnlyDictionaryStringString)!
                : new Dictionary<string, string>(StringComparer.Ordinal),
            LastSeq = row.GetInt32(5),
            Summary = row.Text(6) is { } summary ? new ConversationSummary(summary, row.GetInt32(7)) : null,
            BranchOf = row.Id(8) is { } other ? new BranchPoint(other, row.GetInt32(9)) : null,
            CreatedAt = row.GetFieldValue<DateTimeOffset>(10),
            UpdatedAt = row.GetFieldValue<DateTimeOffset>(11),
        };

    private static ConversationMessage ReadMessage(NpgsqlDataReader row) =>
        new()
        {
            Seq = row.GetInt32(0),
            Role = row.GetString(1),
            Content = row.GetString(2),
            Partial = row.GetBoolean(3),
            JobId = row.Id(4),
            Tokens = row.GetInt32(5),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(6),
        };
}
