using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Audit;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.DeadLetters;

/// <summary>How a discard ended.</summary>
public abstract record DiscardOutcome
{
    private DiscardOutcome() { }

    /// <summary>The letter is discarded, now or by an earlier request.</summary>
    /// <param name="Letter">As it is now.</param>
    public sealed record Done(DeadLetter Letter) : DiscardOutcome;

    /// <summary>It was replayed, so there is nothing left to discard.</summary>
    /// <param name="ReplayedBy">The new job.</param>
    public sealed record Replayed(Guid ReplayedBy) : DiscardOutcome;

    /// <summary>The tenant has no dead letter of this job.</summary>
    public sealed record NotFound : DiscardOutcome;
}

/// <summary>Takes a dead letter off the list of what wants attention. The job and its record stay.</summary>
public sealed class DiscardDeadLetter(NpgsqlDataSource database, DeadLetterReads reads, ILogger<DiscardDeadLetter> logger)
{
    private const string Sql = """
        UPDATE dead_letters SET discarded_at = now(), closed_by = @key_id
         WHERE job_id = @job_id AND tenant_id = @tenant_id AND replayed_by IS NULL AND discarded_at IS NULL
        """;

    /// <param name="tenantId">Whose letter it is.</param>
    /// <param name="jobId">Its job.</param>
    /// <param name="keyId">Public id of the API key that asks.</param>
    /// <param name="cancellationToken">Ends the wait; the letter may be discarded all the same.</param>
    public async Task<DiscardOutcome> RunAsync(Guid tenantId, Guid jobId, string keyId, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], Sql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("key_id", keyId);
        if (await batch.ExecuteNonQueryAsync(cancellationToken) > 0)
        {
            logger.DeadLetterDiscarded(jobId, keyId);
        }

        return await reads.FindAsync(tenantId, jobId, cancellationToken) switch
        {
            null => new DiscardOutcome.NotFound(),
            { ReplayedBy: { } newId } => new DiscardOutcome.Replayed(newId),
            var letter => new DiscardOutcome.Done(letter),
        };
    }
}
