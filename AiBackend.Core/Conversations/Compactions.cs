using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Conversations;

/// <summary>What is to be summarised.</summary>
/// <param name="Summary">The summary so far; null is none.</param>
/// <param name="Upto">The last message that it speaks of; 0 is none.</param>
/// <param name="Messages">Those that follow.</param>
public sealed record Summarised(string? Summary, int Upto, IReadOnlyList<PastMessage> Messages);

/// <summary>Summaries in the making: which job writes one of what, and what becomes of it (0051_summaries_and_profiles.sql).</summary>
/// <remarks>A summary stands for messages and never replaces them: whatever fails, is lost or deleted, they are told themselves.</remarks>
public sealed class Compactions(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    CancelJob cancel
)
{
    // Of what no summary speaks yet the oldest that fit, at least one, without the newest.
    private const string ReadSql = """
        SELECT m.seq, m.role, m.content, m.tokens
          FROM (SELECT seq, sum(tokens) OVER (ORDER BY seq DESC) AS newer, sum(tokens) OVER (ORDER BY seq) AS older
                  FROM conversation_messages
                 WHERE conversation_id = @id AND tenant_id = @tenant_id
                   AND seq > (SELECT summary_upto FROM conversations WHERE id = @id AND tenant_id = @tenant_id)) sized
          JOIN conversation_messages m ON m.conversation_id = @id AND m.seq = sized.seq
         WHERE sized.newer > @keep AND (sized.older <= @room OR sized.older = m.tokens) ORDER BY m.seq LIMIT @most
        """;

    private const string SummarySql = "SELECT summary, summary_upto FROM conversations WHERE id = @id AND tenant_id = @tenant_id";

    // One at a time. What it is to stand for is there, messages and the summary so far, or it would say what was deleted meanwhile.
    private const string BeginSql = """
        UPDATE conversations c SET compaction_job = @job_id, compaction_upto = @upto, compaction_at = now()
         WHERE c.id = @id AND c.tenant_id = @tenant_id AND c.summary_upto = @summary_upto AND c.summary IS NOT DISTINCT FROM @summary AND (c.compact_after IS NULL OR c.compact_after <= now())
           AND c.compaction_job IS NULL
           AND (SELECT count(*) FROM conversation_messages m WHERE m.conversation_id = c.id AND m.seq BETWEEN @from AND @upto) = @count
        RETURNING c.id
        """;

    // A job that is not there is one that was never submitted, once it has had the time.
    private const string SettleSql = """
        UPDATE conversations c
           SET summary = CASE WHEN d.text IS NULL THEN c.summary ELSE d.text END,
               summary_upto = CASE WHEN d.text IS NULL THEN c.summary_upto ELSE c.compaction_upto END,
               compact_after = CASE WHEN d.text IS NULL THEN now() + interval '10 minutes' END,
               compaction_job = NULL, compaction_upto = NULL
          FROM (SELECT x.id, x.compaction_job, CASE WHEN j.status = 6 THEN nullif(o.text, '') END AS text
                  FROM conversations x LEFT JOIN jobs j ON j.id = x.compaction_job LEFT JOIN job_outputs o ON o.job_id = x.compaction_job
                 WHERE x.compaction_job IS NOT NULL
                   AND CASE WHEN j.id IS NULL THEN x.compaction_at < now() - interval '1 minute' ELSE j.status >= 6 END
                 LIMIT 500) d
         WHERE c.id = d.id AND c.compaction_job = d.compaction_job
        """;

    // Their transcripts outlive no message: nobody waits for them any more. One with a call that is not settled yet goes later.
    private const string SpentSql = """
        SELECT j.tenant_id, j.id, j.status::int >= 6
          FROM jobs j
         WHERE j.summary_of IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = j.summary_of AND c.tenant_id = j.tenant_id AND c.compaction_job = j.id)
         ORDER BY j.summary_of, j.id LIMIT 200
        """;

    private const string DeleteSql = "SELECT delete_jobs(@tenant_id, ARRAY[@id], false)";

    /// <param name="tenantId">Whose conversation.</param>
    /// <param name="id">Which.</param>
    /// <param name="keep">Tokens of the newest messages that stay as they are.</param>
    /// <param name="room">Tokens that a model can be given to summarise.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The summary so far, and the messages that follow it; none when there is nothing to do.</returns>
    public async Task<Summarised> ReadAsync(Guid tenantId, Guid id, int keep, int room, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        batch.ActFor([tenantId]);
        foreach (var sql in (ReadOnlySpan<string>)[SummarySql, ReadSql])
        {
#pragma warning disable CA2100 // Constants of this class.
            var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("id", id);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            batch.BatchCommands.Add(command);
        }

        batch.BatchCommands[2].Parameters.AddWithValue("keep", keep);
        batch.BatchCommands[2].Parameters.AddWithValue("room", room);
        batch.BatchCommands[2].Parameters.AddWithValue("most", ConversationTurns.MostMessages);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var (summary, upto) = await reader.ReadAsync(cancellationToken) ? (reader.Text(0), reader.GetInt32(1)) : (null, 0);
        await reader.NextResultAsync(cancellationToken);
        return new(summary, upto, await reader.ReadAllAsync(ConversationTurns.ReadMessage, cancellationToken));
    }

    /// <summary>Writes down which job is to summarise these messages.</summary>
    /// <returns>False when another one does, the messages were changed, or it is too early after one that failed.</returns>
    public async Task<bool> BeginAsync(Guid tenantId, Guid id, Guid jobId, Summarised read, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, BeginSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("summary_upto", read.Upto);
        command.Parameters.AddWithValue("summary", NpgsqlDbType.Text, (object?)read.Summary ?? DBNull.Value);
        command.Parameters.AddWithValue("from", read.Messages[0].Seq);
        command.Parameters.AddWithValue("upto", read.Messages[^1].Seq);
        command.Parameters.AddWithValue("count", (long)read.Messages.Count);
        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <summary>Takes the summaries of jobs that have ended, and makes place for another try where there is none.</summary>
    /// <returns>How many.</returns>
    public async Task<int> SettleAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(rounds, SettleSql, _ => { }, cancellationToken);
        return await hot.Command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Deletes the jobs whose summaries were taken or are not wanted any more, and cancels those that have not ended yet.</summary>
    public async Task DeleteSpentAsync(CancellationToken cancellationToken)
    {
        foreach (var (tenant, id, hasEnded) in await FindSpentAsync(cancellationToken))
        {
            if (!hasEnded)
            {
                await cancel.RunAsync(tenant, id, cancellationToken);
                continue;
            }

            await using var delete = database.CreateCommandFor(tenant, DeleteSql);
            delete.Parameters.AddWithValue("tenant_id", tenant);
            delete.Parameters.AddWithValue("id", id);
            await delete.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private async Task<List<(Guid Tenant, Guid Id, bool HasEnded)>> FindSpentAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(rounds, SpentSql, _ => { }, cancellationToken);
        return await hot.Command.ReadAllAsync(row => (row.GetGuid(0), row.GetGuid(1), row.GetBoolean(2)), cancellationToken);
    }
}
