using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>Says who has an open review in hand, so that two people do not work on the same. It ends by itself.</summary>
public sealed class ClaimReview(NpgsqlDataSource database)
{
    private const string ClaimSql = """
        UPDATE job_waits
           SET claimed_by = @by, claimed_until = now() + @claim_for,
               version = version + CASE WHEN claimed_by IS DISTINCT FROM @by THEN 1 ELSE 0 END
         WHERE job_id = @job_id AND attempt = @attempt AND tenant_id = @tenant_id AND kind = 2 AND answered_at IS NULL
           AND (claimed_by IS NULL OR claimed_by = @by OR claimed_until <= now())
        """;

    private const string ReleaseSql = """
        UPDATE job_waits SET claimed_by = NULL, claimed_until = NULL, version = version + 1
         WHERE job_id = @job_id AND attempt = @attempt AND tenant_id = @tenant_id AND kind = 2 AND answered_at IS NULL AND claimed_by = @by
        """;

    /// <param name="wait">Which.</param>
    /// <param name="by">Who. The holder's own claim is renewed.</param>
    /// <param name="claimFor">For how long.</param>
    /// <param name="cancellationToken">Ends the call, not what it may have done.</param>
    /// <returns>Whether it is theirs; not when it is decided, somebody else's, or unknown.</returns>
    public async Task<bool> ClaimAsync(WaitKey wait, string by, TimeSpan claimFor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(wait.TenantId, ClaimSql);
        AddTo(command.Parameters, wait, by);
        command.Parameters.AddWithValue("claim_for", NpgsqlDbType.Interval, claimFor);
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Gives it back.</summary>
    /// <inheritdoc cref="ClaimAsync"/>
    public async Task ReleaseAsync(WaitKey wait, string by, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(wait.TenantId, ReleaseSql);
        AddTo(command.Parameters, wait, by);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static void AddTo(NpgsqlParameterCollection parameters, WaitKey wait, string by)
    {
        parameters.AddWithValue("job_id", wait.JobId);
        parameters.AddWithValue("attempt", NpgsqlDbType.Smallint, (short)wait.Attempt);
        parameters.AddWithValue("tenant_id", wait.TenantId);
        parameters.AddWithValue("by", by);
    }
}
