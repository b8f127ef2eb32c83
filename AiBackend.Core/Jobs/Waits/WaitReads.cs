using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>Reads what a job has asked and what was answered: for the attempt that goes on, and for whoever is to answer.</summary>
public sealed class WaitReads(NpgsqlDataSource database)
{
    private const string Sql = """
        SELECT attempt, kind, question, proposal, timeout_at, answer, answer_data
          FROM job_waits WHERE job_id = @job_id AND tenant_id = @tenant_id ORDER BY attempt
        """;

    /// <returns>Every wait of the job, oldest first; none when the tenant has no such job.</returns>
    public async Task<IReadOnlyList<JobWait>> ListAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, Sql);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static JobWait Read(NpgsqlDataReader row) =>
        new()
        {
            Attempt = row.GetInt16(0),
            Kind = (WaitKind)row.GetInt16(1),
            Question = row.GetString(2),
            Proposal = row.IsDBNull(3) ? null : row.GetString(3),
            TimeoutAt = row.IsDBNull(4) ? null : row.GetFieldValue<DateTimeOffset>(4),
            Answer = row.IsDBNull(5) ? null : (WaitAnswer)row.GetInt16(5),
            AnswerData = row.IsDBNull(6) ? null : row.GetString(6),
        };
}
