using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Prompts;

/// <summary>What labels of prompts say. Each change is a row; the one with the highest number counts.</summary>
public sealed class PromptLabels(NpgsqlDataSource database)
{
    /// <summary>Labels of a prompt.</summary>
    public const int MostLabels = 50;

    // Two changes at the same time want the same number: one of them finds it taken, and looks again at what there is now.
    private const int Tries = 5;

    private const string Columns = "l.label, l.seq, l.version, l.canary_version, l.canary_percent, l.rolled_back_to, l.set_at, l.set_by";

    private const string SetSql = $"""
        INSERT INTO prompt_labels AS l (tenant_id, name, label, seq, version, canary_version, canary_percent, set_by)
        SELECT @tenant_id, @name, @label,
               coalesce((SELECT max(seq) FROM prompt_labels WHERE tenant_id = @tenant_id AND name = @name AND label = @label), 0) + 1,
               @version, @canary_version, @canary_percent, @by
         WHERE (SELECT count(DISTINCT label) FROM prompt_labels WHERE tenant_id = @tenant_id AND name = @name AND label <> @label) < @most
        RETURNING {Columns}
        """;

    // What a rollback took up again is older than what it took back: the next one goes on from there.
    private const string RollBackSql = $"""
        WITH latest AS (
            SELECT seq, coalesce(rolled_back_to, seq) AS says FROM prompt_labels
             WHERE tenant_id = @tenant_id AND name = @name AND label = @label ORDER BY seq DESC LIMIT 1
        )
        INSERT INTO prompt_labels AS l (tenant_id, name, label, seq, version, canary_version, canary_percent, rolled_back_to, set_by)
        SELECT b.tenant_id, b.name, b.label, latest.seq + 1, b.version, b.canary_version, b.canary_percent, coalesce(b.rolled_back_to, b.seq), @by
          FROM latest JOIN prompt_labels b ON b.tenant_id = @tenant_id AND b.name = @name AND b.label = @label AND b.seq < latest.says
         ORDER BY b.seq DESC LIMIT 1
        RETURNING {Columns}
        """;

    private const string HistorySql = $"""
        SELECT {Columns} FROM prompt_labels l WHERE tenant_id = @tenant_id AND name = @name AND label = @label ORDER BY seq DESC LIMIT 200
        """;

    private const string CurrentSql = $"""
        SELECT DISTINCT ON (l.name, l.label) {Columns}, l.name FROM prompt_labels l
         WHERE tenant_id = @tenant_id AND (@name IS NULL OR name = @name) ORDER BY l.name, l.label, l.seq DESC
        """;

    /// <summary>Sets what a label says. Whoever calls has seen that the versions exist; they do not go away.</summary>
    /// <returns>Null when the prompt has too many labels.</returns>
    public Task<PromptLabel?> SetAsync(
        Guid tenantId,
        string name,
        string label,
        PromptLabelRequest says,
        string by,
        CancellationToken cancellationToken
    ) =>
        ChangeAsync(
            SetSql,
            tenantId,
            name,
            label,
            by,
            parameters =>
            {
                parameters.AddWithValue("version", says.Version!.Value);
                parameters.AddWithValue("canary_version", NpgsqlDbType.Integer, (object?)says.Canary?.Version ?? DBNull.Value);
                parameters.AddWithValue("canary_percent", NpgsqlDbType.Double, (object?)says.Canary?.Percent ?? DBNull.Value);
                parameters.AddWithValue("most", MostLabels);
            },
            cancellationToken
        );

    /// <summary>Lets a label say again what it said before its latest change.</summary>
    /// <returns>Null when it said nothing before.</returns>
    public Task<PromptLabel?> RollBackAsync(Guid tenantId, string name, string label, string by, CancellationToken cancellationToken) =>
        ChangeAsync(RollBackSql, tenantId, name, label, by, _ => { }, cancellationToken);

    /// <returns>Its changes, newest first.</returns>
    public async Task<IReadOnlyList<PromptLabel>> HistoryAsync(
        Guid tenantId,
        string name,
        string label,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, HistorySql);
        AddKey(command.Parameters, tenantId, name, label);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    internal static async Task<ILookup<string, PromptLabel>> CurrentAsync(
        NpgsqlDataSource database,
        Guid tenantId,
        string? name,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, CurrentSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", NpgsqlDbType.Text, (object?)name ?? DBNull.Value);
        var rows = await command.ReadAllAsync(row => (Name: row.GetString(8), Label: Read(row)), cancellationToken);
        return rows.ToLookup(row => row.Name, row => row.Label, StringComparer.Ordinal);
    }

    private async Task<PromptLabel?> ChangeAsync(
        string sql,
        Guid tenantId,
        string name,
        string label,
        string by,
        Action<NpgsqlParameterCollection> addMore,
        CancellationToken cancellationToken
    )
    {
        for (var left = Tries; ; left--)
        {
            await using var batch = database.CreateAuditedFor([tenantId], sql, out var command);
            AddKey(command.Parameters, tenantId, name, label);
            command.Parameters.AddWithValue("by", by);
            addMore(command.Parameters);
            try
            {
                return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
            }
            catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation && left > 1)
            {
                // Somebody else's change came first.
            }
        }
    }

    private static void AddKey(NpgsqlParameterCollection parameters, Guid tenantId, string name, string label)
    {
        parameters.AddWithValue("tenant_id", tenantId);
        parameters.AddWithValue("name", name);
        parameters.AddWithValue("label", label);
    }

    private static PromptLabel Read(NpgsqlDataReader row) =>
        new()
        {
            Label = row.GetString(0),
            Seq = row.GetInt32(1),
            Version = row.GetInt32(2),
            Canary = row.IsDBNull(3) ? null : new PromptCanary { Version = row.GetInt32(3), Percent = row.GetDouble(4) },
            RolledBackTo = row.IsDBNull(5) ? null : row.GetInt32(5),
            SetAt = row.GetFieldValue<DateTimeOffset>(6),
            SetBy = row.GetString(7),
        };
}
