using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.DeadLetters;

/// <summary>Forgets what was done about dead letters as long ago as the letters themselves are forgotten.</summary>
/// <remarks>The letters go with the partition of their jobs. An action that runs, an alert that is active and the group of a letter that exists stay.</remarks>
public sealed class PruneDeadLetters(NpgsqlDataSource database)
{
    private const string Sql = """
        WITH actions AS (
            DELETE FROM bulk_actions WHERE status::int <> 0 AND finished_at < now() - @keep RETURNING id
        ), items AS (
            DELETE FROM bulk_items i USING actions a WHERE i.action_id = a.id
        ), quiet AS (
            DELETE FROM alerts WHERE resolved_at < now() - @keep
        )
        DELETE FROM dead_letter_groups g
         WHERE g.last_seen_at < now() - @keep
           AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.tenant_id = g.tenant_id AND d.fingerprint = g.fingerprint)
        """;

    /// <param name="keep">Time since their end.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task RunAsync(TimeSpan keep, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, keep);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
