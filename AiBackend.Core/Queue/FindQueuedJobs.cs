using System.Globalization;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <remarks>Jobs that must run alone are not among them: <see cref="FindSuspects"/>.</remarks>
internal sealed partial class FindQueuedJobs(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds,
    IOptions<QueueOptions> options
) : IQueuedJobs
{
    // A window several times as wide as what is taken, in random order: workers that ask at the same time mostly find different jobs.
    private static readonly string Sql = $"""
        SELECT id FROM ({Head("pool = 'default' AND due_at <= now() - @older_than", "@window")}) head ORDER BY random() LIMIT @limit
        """;

    public Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken) =>
        ReadAsync(rounds, Sql, limit, olderThan, options.Value, cancellationToken);

    /// <summary>Reads what such a statement finds, in a window four times as wide as what is taken.</summary>
    internal static async Task<Guid[]> ReadAsync(
        NpgsqlDataSource rounds,
        string sql,
        int limit,
        TimeSpan olderThan,
        QueueOptions options,
        CancellationToken cancellationToken
    )
    {
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            sql,
            parameters =>
            {
                parameters.AddWithValue("window", limit * 4);
                parameters.AddWithValue("limit", limit);
                parameters.AddWithValue("older_than", olderThan);
                parameters.AddWithValue("age_up_after", options.AgeUpAfter);
            },
            cancellationToken
        );
        return await hot.Command.ReadIdsAsync(cancellationToken);
    }

    public async Task<IReadOnlyDictionary<Guid, string>> FindHoldersAsync(
        IReadOnlyCollection<Guid> jobIds,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(
            "SELECT id, worker_id FROM jobs WHERE id = ANY(@ids) AND status = 2 AND worker_id IS NOT NULL"
        );
        command.Parameters.AddWithValue("ids", jobIds.ToArray());
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var holders = new Dictionary<Guid, string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            holders.Add(reader.GetGuid(0), reader.GetGuid(1).ToString("N"));
        }

        return holders;
    }

    /// <summary>The head of the line: by priority, then by age; what has waited too long stands among the most urgent (I-16).</summary>
    /// <remarks>One arm a priority, because each is a range of the index; an order by an expression would read the whole backlog.</remarks>
    internal static string Head(string condition, string limit)
    {
        var arms = Enum.GetValues<JobPriority>()
            .Select(priority =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"""
                    (SELECT CASE WHEN due_at < now() - @age_up_after THEN 0 ELSE {priority:D} END AS level, id
                       FROM jobs j WHERE status = 1 AND priority = {priority:D} AND crash_count < 2 AND {condition} AND {HeldJobs.None("j")}
                      ORDER BY id LIMIT {limit})
                    """
                )
            );
        return $"SELECT id FROM ({string.Join("\nUNION ALL\n", arms)}) line ORDER BY level, id LIMIT {limit}";
    }
}
