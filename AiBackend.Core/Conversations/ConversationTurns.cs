using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Conversations;

/// <summary>A conversation as a job finds it.</summary>
/// <param name="Instructions">What its models are told first; null is nothing.</param>
/// <param name="Profile">What is known of its user; null is nothing.</param>
/// <param name="Summary">What stands for its oldest messages; null when nothing does.</param>
/// <param name="SummaryUpTo">Number of the last message of which the summary speaks; 0 without one.</param>
/// <param name="LastSeq">Number of its latest message.</param>
public sealed record ConversationHead(string? Instructions, string? Profile, string? Summary, int SummaryUpTo, int LastSeq);

/// <summary>What a job that begins finds.</summary>
public abstract record TurnEntry
{
    private TurnEntry() { }

    /// <summary>It is its turn, until it ends.</summary>
    /// <param name="Head">The conversation.</param>
    /// <param name="History">Its newest messages within the budget, oldest first.</param>
    public sealed record Begins(ConversationHead Head, IReadOnlyList<PastMessage> History) : TurnEntry;

    /// <summary>Another job comes first.</summary>
    /// <param name="JobId">Which.</param>
    public sealed record Waits(Guid JobId) : TurnEntry;

    /// <summary>There is no such conversation any more.</summary>
    public sealed record Gone : TurnEntry;
}

/// <summary>Turns of conversations: one job after the other. The rules are in 0050_conversations.sql.</summary>
public sealed class ConversationTurns(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.HotPath)] NpgsqlDataSource hot,
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds
)
{
    /// <summary>Messages that are looked at, however short they are.</summary>
    public const int MostMessages = 2_000;

    private const string EnterSql = "SELECT is_there, waits_for FROM enter_turn(@job_id, @tenant_id, @id)";

    private const string HeadSql = """
        SELECT c.instructions, p.text, c.summary, c.summary_upto, c.last_seq
          FROM conversations c LEFT JOIN user_profiles p ON p.tenant_id = c.tenant_id AND p.end_user = c.end_user
         WHERE c.id = @id AND c.tenant_id = @tenant_id
        """;

    // Long texts are stored beside their rows, and are read of those that have room only.
    private const string HistorySql = """
        SELECT seq, role, content, tokens
          FROM (SELECT seq, role, content, tokens, sum(tokens) OVER (ORDER BY seq DESC ROWS UNBOUNDED PRECEDING) AS so_far
                  FROM (SELECT seq, role, content, tokens FROM conversation_messages
                         WHERE conversation_id = @id AND tenant_id = @tenant_id
                           AND seq > (SELECT summary_upto FROM conversations WHERE id = @id AND tenant_id = @tenant_id)
                         ORDER BY seq DESC LIMIT @most) newest) sized
         WHERE so_far <= @max_tokens ORDER BY seq
        """;

    // Whoever waits for a job that has ended, or is gone, looks again.
    private const string WakeSql = """
        UPDATE jobs j SET due_at = now()
         WHERE j.conversation_id IS NOT NULL AND j.status = 5 AND j.waiting_reason LIKE 'conversation:%' AND j.due_at > now()
           AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.id = split_part(j.waiting_reason, ':', 2)::uuid AND o.status::int < 6)
        """;

    private const string WakeOneSql = WakeSql + " AND j.conversation_id = @id";

    private const string OpenSql = """
        SELECT id FROM jobs
         WHERE conversation_id = @id AND tenant_id = @tenant_id AND status < 6 AND id < @before AND NOT cancel_requested
         ORDER BY id LIMIT 100
        """;

    /// <summary>For a job that was just claimed: takes the turn if it is free, and reads what was said, in one round trip.</summary>
    /// <param name="tenantId">Whose conversation.</param>
    /// <param name="conversationId">Which.</param>
    /// <param name="jobId">Who begins.</param>
    /// <param name="maxTokens">How much of it is wanted at most.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<TurnEntry> EnterAsync(
        Guid tenantId,
        Guid conversationId,
        Guid jobId,
        int maxTokens,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await hot.OpenConnectionAsync(cancellationToken);
        await using var batch = connection.CreateBatch();
        batch.ActFor([tenantId]);
        foreach (var sql in (ReadOnlySpan<string>)[EnterSql, HeadSql, HistorySql])
        {
#pragma warning disable CA2100 // Constants of this class.
            var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("id", conversationId);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            batch.BatchCommands.Add(command);
        }

        batch.BatchCommands[1].Parameters.AddWithValue("job_id", jobId);
        batch.BatchCommands[3].Parameters.AddWithValue("most", MostMessages);
        batch.BatchCommands[3].Parameters.AddWithValue("max_tokens", maxTokens);
        // Planning the four takes longer than running them.
        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        if (!reader.GetBoolean(0))
        {
            return new TurnEntry.Gone();
        }

        if (reader.Id(1) is { } other)
        {
            return new TurnEntry.Waits(other);
        }

        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var head = new ConversationHead(reader.Text(0), reader.Text(1), reader.Text(2), reader.GetInt32(3), reader.GetInt32(4));
        await reader.NextResultAsync(cancellationToken);
        return new TurnEntry.Begins(head, await reader.ReadAllAsync(ReadMessage, cancellationToken));
    }

    /// <summary>Lets those go on whose turn it may be now.</summary>
    /// <param name="conversationId">Where; null is everywhere.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many.</returns>
    public async Task<int> WakeAsync(Guid? conversationId, CancellationToken cancellationToken)
    {
        if (conversationId is { } one)
        {
            await using var command = database.CreateCommand(WakeOneSql);
            command.Parameters.AddWithValue("id", one);
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var wake = await HotCommand.OpenAsync(rounds, WakeSql, _ => { }, cancellationToken);
        return await wake.Command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Jobs of the conversation from before this one that have not ended, oldest first.</returns>
    public async Task<IReadOnlyList<Guid>> FindOpenAsync(
        Guid tenantId,
        Guid conversationId,
        Guid before,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, OpenSql);
        command.Parameters.AddWithValue("id", conversationId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("before", before);
        return await command.ReadIdsAsync(cancellationToken);
    }

    internal static PastMessage ReadMessage(NpgsqlDataReader row) =>
        new(row.GetInt32(0), row.GetString(1), row.GetString(2), row.GetInt32(3));
}
