using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Routing;

/// <summary>What a version is of. The numbers are stored; never renumber.</summary>
public enum RoutingKind : short
{
    /// <summary>A route, by its name.</summary>
    Route = 1,

    /// <summary>A deployment, by <c>provider/model</c>.</summary>
    Deployment = 2,
}

/// <summary>One version of a route or deployment.</summary>
/// <param name="Kind">Which of the two.</param>
/// <param name="Name">Its name.</param>
/// <param name="Version">From 1.</param>
/// <param name="Body">JSON as it was sent; null takes it away, so that the configuration decides again.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">Public id of the API key that made it.</param>
public sealed record RoutingVersion(RoutingKind Kind, string Name, int Version, string? Body, DateTimeOffset CreatedAt, string CreatedBy);

/// <summary>Routes and deployments as operators changed them. Every change is a new row; the newest one counts.</summary>
public sealed class RoutingStore(NpgsqlDataSource database)
{
    // First and in a statement of its own, so that the next one sees whatever the last change did: its row's lock makes changes follow
    // each other, and none is overlooked by who reads a later revision.
    private const string RaiseSql = "UPDATE routing_revision SET revision = revision + 1";

    private const string AddSql = """
        WITH latest AS (
            SELECT coalesce(max(version), 0) AS version FROM routing_versions WHERE kind = @kind AND name = @name
        )
        INSERT INTO routing_versions (kind, name, version, body, created_by)
        SELECT @kind, @name, latest.version + 1, @body, @created_by FROM latest
         WHERE (@expected IS NULL OR latest.version = @expected)
           AND (@body IS NOT NULL OR EXISTS (
                SELECT 1 FROM routing_versions v WHERE v.kind = @kind AND v.name = @name AND v.version = latest.version AND v.body IS NOT NULL))
        RETURNING kind, name, version, body, created_at, created_by
        """;

    private const string LatestSql = """
        SELECT DISTINCT ON (kind, name) kind, name, version, body, created_at, created_by
          FROM routing_versions ORDER BY kind, name, version DESC
        """;

    private const string VersionsSql = """
        SELECT kind, name, version, body, created_at, created_by
          FROM routing_versions WHERE kind = @kind AND name = @name ORDER BY version DESC LIMIT 100
        """;

    /// <summary>Adds a version.</summary>
    /// <param name="kind">Of a route or a deployment.</param>
    /// <param name="name">Its name.</param>
    /// <param name="body">JSON; null takes it away.</param>
    /// <param name="expected">The version that must be the latest; null for whichever it is.</param>
    /// <param name="createdBy">Public id of the API key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when another version is the latest, or there is nothing to take away.</returns>
    public async Task<RoutingVersion?> AddAsync(
        RoutingKind kind,
        string name,
        string? body,
        int? expected,
        string createdBy,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateBatch();
        batch.SayWhoActs();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(RaiseSql));
        var add = new NpgsqlBatchCommand(AddSql);
        add.Parameters.AddWithValue("kind", (short)kind);
        add.Parameters.AddWithValue("name", name);
        add.Parameters.Add(new NpgsqlParameter<string?>("body", body));
        add.Parameters.Add(new NpgsqlParameter<int?>("expected", expected));
        add.Parameters.AddWithValue("created_by", createdBy);
        batch.BatchCommands.Add(add);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : null;
    }

    /// <summary>The latest version of everything.</summary>
    public async Task<IReadOnlyList<RoutingVersion>> LatestAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(LatestSql);
        return await ReadAllAsync(command, cancellationToken);
    }

    /// <summary>The versions of one, newest first, at most the 100 newest.</summary>
    public async Task<IReadOnlyList<RoutingVersion>> VersionsAsync(RoutingKind kind, string name, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(VersionsSql);
        command.Parameters.AddWithValue("kind", (short)kind);
        command.Parameters.AddWithValue("name", name);
        return await ReadAllAsync(command, cancellationToken);
    }

    /// <summary>Raised by every change.</summary>
    public async Task<long> RevisionAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT revision FROM routing_revision");
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static async Task<IReadOnlyList<RoutingVersion>> ReadAllAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static RoutingVersion Read(NpgsqlDataReader row) =>
        new(
            (RoutingKind)row.GetInt16(0),
            row.GetString(1),
            row.GetInt32(2),
            row.IsDBNull(3) ? null : row.GetString(3),
            row.GetFieldValue<DateTimeOffset>(4),
            row.GetString(5)
        );
}
