using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Batches;

/// <summary>Forgets batches that ended 30 days ago: the leader's part.</summary>
/// <remarks>As long as jobs and files are kept by default: what they were is no secret, and what they say is gone with those.</remarks>
public sealed class PruneBatches([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource allTenants)
{
    // A piece of the oldest at a time; the batch itself when none of its lines is left.
    private const string Sql = """
        WITH old AS (
            SELECT id FROM batches WHERE ended_at < now() - interval '30 days' ORDER BY ended_at LIMIT 1
        ), lines AS (
            DELETE FROM batch_lines l USING (SELECT p.batch_id, p.line FROM batch_lines p JOIN old ON p.batch_id = old.id LIMIT 5000) piece
             WHERE l.batch_id = piece.batch_id AND l.line = piece.line
        ), gone AS (
            DELETE FROM batches b USING old WHERE b.id = old.id AND NOT EXISTS (SELECT 1 FROM batch_lines l WHERE l.batch_id = old.id)
        )
        SELECT 1 FROM old
        """;

    /// <summary>Goes on until there is none.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        object? old;
        do
        {
            await using var command = allTenants.CreateCommand(Sql);
            old = await command.ExecuteScalarAsync(cancellationToken);
        } while (old is not null);
    }
}
