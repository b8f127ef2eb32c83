using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Prompts;

/// <summary>Prompts and their versions. Every call names its tenant.</summary>
public sealed class PromptStore(NpgsqlDataSource database)
{
    /// <summary>Prompts of a tenant.</summary>
    public const int MostPrompts = 1_000;

    /// <summary>Versions of a prompt.</summary>
    public const int MostVersions = 10_000;

    private const string VersionColumns = "v.name, v.version, v.note, v.template, v.created_at, v.created_by";

    private const string AddSql = $"""
        WITH made AS (
            INSERT INTO prompts (tenant_id, name, description, latest, created_by)
            SELECT @tenant_id, @name, @description, 1, @by
             WHERE (SELECT count(*) FROM prompts WHERE tenant_id = @tenant_id) < @most
            ON CONFLICT DO NOTHING
            RETURNING latest
        ), v AS (
            INSERT INTO prompt_versions (tenant_id, name, version, note, template, created_by)
            SELECT @tenant_id, @name, latest, @note, @template, @by FROM made
            RETURNING *
        )
        SELECT {VersionColumns} FROM v
        """;

    // The prompt's row is held until the commit, so that versions have one order.
    private const string AddVersionSql = $"""
        WITH made AS (
            UPDATE prompts SET latest = latest + 1 WHERE tenant_id = @tenant_id AND name = @name AND latest < @most RETURNING latest
        ), v AS (
            INSERT INTO prompt_versions (tenant_id, name, version, note, template, created_by)
            SELECT @tenant_id, @name, latest, @note, @template, @by FROM made
            RETURNING *
        )
        SELECT {VersionColumns} FROM v
        """;

    private const string ListSql = """
        SELECT name, description, latest, created_at FROM prompts
         WHERE tenant_id = @tenant_id AND (@name IS NULL OR name = @name) ORDER BY name
        """;

    private const string VersionsSql = $"""
        SELECT {VersionColumns} FROM prompt_versions v
         WHERE tenant_id = @tenant_id AND name = @name AND (@versions IS NULL OR version = ANY (@versions))
         ORDER BY version DESC LIMIT 100
        """;

    /// <summary>Adds a prompt within a transaction that acts for its tenant.</summary>
    /// <returns>Version 1; null when there is one of that name already, or the tenant has too many.</returns>
    public static Task<PromptVersion?> AddAsync(NpgsqlConnection transaction, Guid tenantId, NewPrompt prompt, string by) =>
        AddAsync(AddSql, transaction, tenantId, prompt, MostPrompts, by);

    /// <summary>Adds a version within a transaction that acts for its tenant.</summary>
    /// <returns>The next version; null when there is no such prompt, or it has too many.</returns>
    public static Task<PromptVersion?> AddVersionAsync(
        NpgsqlConnection transaction,
        Guid tenantId,
        string name,
        NewPromptVersion version,
        string by
    ) =>
        AddAsync(
            AddVersionSql,
            transaction,
            tenantId,
            new NewPrompt
            {
                Name = name,
                Note = version.Note,
                Template = version.Template,
            },
            MostVersions,
            by
        );

    /// <returns>All of a tenant, by name, or the one of this name.</returns>
    public async Task<IReadOnlyList<Prompt>> ListAsync(Guid tenantId, string? name, CancellationToken cancellationToken)
    {
        var labels = await PromptLabels.CurrentAsync(database, tenantId, name, cancellationToken);
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", NpgsqlDbType.Text, (object?)name ?? DBNull.Value);
        return await command.ReadAllAsync(
            row => new Prompt
            {
                Name = row.GetString(0),
                Description = row.Text(1),
                Latest = row.GetInt32(2),
                CreatedAt = row.GetFieldValue<DateTimeOffset>(3),
                Labels = [.. labels[row.GetString(0)]],
            },
            cancellationToken
        );
    }

    /// <returns>The newest hundred, newest first, or those of these numbers.</returns>
    public async Task<IReadOnlyList<PromptVersion>> VersionsAsync(
        Guid tenantId,
        string name,
        IReadOnlyList<int>? versions,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, VersionsSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue(
            "versions",
            NpgsqlDbType.Array | NpgsqlDbType.Integer,
            (object?)versions?.ToArray() ?? DBNull.Value
        );
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static async Task<PromptVersion?> AddAsync(
        string sql,
        NpgsqlConnection transaction,
        Guid tenantId,
        NewPrompt prompt,
        int most,
        string by
    )
    {
        await using var batch = transaction.CreateAudited(sql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", prompt.Name!);
        command.Parameters.AddWithValue("description", NpgsqlDbType.Text, (object?)prompt.Description ?? DBNull.Value);
        command.Parameters.AddWithValue("note", NpgsqlDbType.Text, (object?)prompt.Note ?? DBNull.Value);
        command.Parameters.AddWithValue("template", JsonSerializer.Serialize(prompt.Template!, WireJson.Default.PromptTemplate));
        command.Parameters.AddWithValue("most", most);
        command.Parameters.AddWithValue("by", by);
        // None: what is made together with its answer is made although its caller has left. The command time-out bounds it.
        return (await batch.ReadAllAsync(Read, CancellationToken.None)).SingleOrDefault();
    }

    private static PromptVersion Read(NpgsqlDataReader row) =>
        new()
        {
            Name = row.GetString(0),
            Version = row.GetInt32(1),
            Note = row.Text(2),
            Template = ReadTemplate(row.GetString(3)),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(4),
            CreatedBy = row.GetString(5),
        };

    /// <summary>A template as it is stored.</summary>
    internal static PromptTemplate ReadTemplate(string json) => JsonSerializer.Deserialize(json, WireJson.Default.PromptTemplate)!;
}
