using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Operations;

/// <summary>Which models of which providers workers do not ask now: written by workers, read by those who make no calls themselves.</summary>
/// <remarks>In Postgres and not in Redis, because a row counts only while its worker's heartbeat, which is there, is fresh.</remarks>
public sealed class DownDeployments(NpgsqlDataSource database, TimeProvider clock)
{
    // Rows of workers that died go a day later, whoever writes next.
    private const string RecordSql = """
        WITH gone AS (
            DELETE FROM down_deployments d
             WHERE open_until < now() - interval '1 day'
                OR (worker_id = @worker_id
                    AND NOT EXISTS (SELECT FROM unnest(@providers, @models) AS n (provider, model)
                                     WHERE n.provider = d.provider AND n.model = d.model))
        )
        INSERT INTO down_deployments (worker_id, provider, model, probed, open_until)
        SELECT @worker_id, provider, model, probed, now() + wait
          FROM unnest(@providers, @models, @probed, @waits) AS n (provider, model, probed, wait)
        ON CONFLICT (worker_id, provider, model) DO UPDATE SET probed = excluded.probed, open_until = excluded.open_until
        """;

    private const string ListSql = """
        WITH alive AS (
            SELECT id FROM workers WHERE stopped_at IS NULL AND NOT draining AND last_seen_at > now() - interval '10 seconds'
        )
        SELECT provider, model, bool_or(probed OR open_until <= now()), GREATEST(min(open_until) - now(), interval '0'),
               count(*) = (SELECT count(*) FROM alive)
          FROM down_deployments JOIN alive ON alive.id = worker_id GROUP BY provider, model
        """;

    private const string WellSql = """
        UPDATE provider_probes p SET answered_at = clock_timestamp()
          FROM unnest(@providers, @models) AS n (provider, model) WHERE p.provider = n.provider AND p.model = n.model
        """;

    /// <summary>How old the answer of <see cref="LatestAsync"/> may be: every submit with a deadline asks.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(1);

    private RecentRead<IReadOnlyList<DownDeployment>>? _recent;

    /// <summary>Tells the other workers which of those they do not ask have answered this one.</summary>
    public async Task RecordWellAsync(IReadOnlyList<(string Provider, string Model)> well, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(WellSql);
        command.Parameters.AddColumn("providers", NpgsqlDbType.Text, well, each => each.Provider);
        command.Parameters.AddColumn("models", NpgsqlDbType.Text, well, each => each.Model);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Replaces what a worker said before.</summary>
    public async Task RecordAsync(Guid workerId, IReadOnlyList<DownDeployment> down, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(RecordSql);
        command.Parameters.AddWithValue("worker_id", workerId);
        command.Parameters.AddColumn("providers", NpgsqlDbType.Text, down, each => each.Provider);
        command.Parameters.AddColumn("models", NpgsqlDbType.Text, down, each => each.Model);
        command.Parameters.AddColumn("probed", NpgsqlDbType.Boolean, down, each => each.IsProbed);
        command.Parameters.AddColumn("waits", NpgsqlDbType.Interval, down, each => each.Left);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>What living workers say, at most a second ago.</summary>
    /// <returns>Null when Postgres does not say in time.</returns>
    public ValueTask<IReadOnlyList<DownDeployment>?> LatestAsync() =>
        LazyInitializer.EnsureInitialized(ref _recent, () => new(ReadAsync, Freshness, clock)).LatestAsync();

    private async Task<IReadOnlyList<DownDeployment>> ReadAsync()
    {
        await using var command = database.CreateCommand(ListSql);
        return await command.ReadAllAsync(Read, CancellationToken.None);
    }

    private static DownDeployment Read(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetBoolean(2), row.GetFieldValue<TimeSpan>(3)) { ToAll = row.GetBoolean(4) };
}

/// <summary>A model of a provider that is not asked now.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The model.</param>
/// <param name="IsProbed">Whether a call finds out now, or the next one will.</param>
/// <param name="Left">Until one may, at the earliest; zero when it is time.</param>
public sealed record DownDeployment(string Provider, string Model, bool IsProbed, TimeSpan Left)
{
    /// <summary>Whether every living worker says so: then nobody would ask.</summary>
    public bool ToAll { get; init; }
}
