using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>Queued jobs of the default pool that stand behind a long line of a few models.</summary>
public sealed class FindJobsOfOtherModels([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Either end of each priority's line, whose lengths do not matter then: what came a moment ago is at the far end, however many are before it.
    private const int Near = 500;

    private static readonly string Sql = $"""
        SELECT id FROM (
            SELECT id, priority, row_number() OVER (PARTITION BY model ORDER BY priority, id) AS place
              FROM ({string.Join("\nUNION\n", Enum.GetValues<JobPriority>().SelectMany(Ends))}) j
             WHERE model <> ALL(@models) AND due_at <= now() - @older_than AND {HeldJobs.None("j")}) others
         WHERE place <= @of_one ORDER BY priority, id LIMIT @limit
        """;

    /// <param name="models">Those that are left out.</param>
    /// <param name="olderThan">How long they have waited at least: until then the line may come to them.</param>
    /// <param name="ofOne">Most of them of one model.</param>
    /// <param name="limit">Most of them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Jobs that may be claimed, the urgent first.</returns>
    public async Task<Guid[]> RunAsync(string[] models, TimeSpan olderThan, int ofOne, int limit, CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            Sql,
            parameters =>
            {
                parameters.AddWithValue("models", models);
                parameters.AddWithValue("older_than", olderThan);
                parameters.AddWithValue("of_one", ofOne);
                parameters.AddWithValue("limit", limit);
            },
            cancellationToken
        );
        return await hot.Command.ReadIdsAsync(cancellationToken);
    }

    private static IEnumerable<string> Ends(JobPriority priority)
    {
        yield return End(priority, "ASC");
        yield return End(priority, "DESC");
    }

    private static string End(JobPriority priority, string order) =>
        FormattableString.Invariant(
            $"""
            (SELECT id, model, priority, due_at, tenant_id, pool FROM jobs
              WHERE status = 1 AND pool = 'default' AND priority = {priority:D} AND crash_count < 2 ORDER BY id {order} LIMIT {Near})
            """
        );
}
