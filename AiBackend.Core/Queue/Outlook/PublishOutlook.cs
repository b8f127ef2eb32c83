using AiBackend.Core.Database;
using AiBackend.Core.Queue.Allocation;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Queue.Outlook;

/// <summary>Writes down what the dispatcher knows, for every process that tells callers how long they wait: the leader's part.</summary>
public sealed class PublishOutlook(
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    LineFlow flow,
    AllocationWatch allocation
)
{
    // Counted only while there is a line, and no further than anybody needs to know.
    private const string Sql = """
        INSERT INTO line_outlook AS o (at, slots, per_second, batch_share, usual_share, waiting)
        SELECT now(), @slots, @per_second, @batch_share, @usual_share,
               ARRAY(SELECT (SELECT count(*) FROM (SELECT 1 FROM jobs
                                                    WHERE status = 1 AND pool = 'default' AND priority = p.level AND @has_line LIMIT 10000) line)
                       FROM generate_series(0, 2) AS p (level) ORDER BY p.level)
            ON CONFLICT (only_row) DO UPDATE
           SET at = now(), slots = excluded.slots, per_second = excluded.per_second, waiting = excluded.waiting,
               batch_share = excluded.batch_share, usual_share = excluded.usual_share
        """;

    /// <summary>Once.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            Sql,
            parameters =>
            {
                parameters.AddWithValue("slots", flow.Slots);
                parameters.AddWithValue("per_second", flow.PerSecond);
                parameters.AddWithValue("batch_share", allocation.BatchShare);
                parameters.AddWithValue("usual_share", allocation.UsualShare);
                parameters.AddWithValue("has_line", flow.HasLine);
            },
            cancellationToken
        );
        await hot.Command.ExecuteNonQueryAsync(cancellationToken);
    }
}
