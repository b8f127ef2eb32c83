using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Prompts;

/// <summary>What a reference to a prompt came to.</summary>
public abstract record PromptChoice
{
    private PromptChoice() { }

    /// <summary>This version.</summary>
    /// <param name="Number">Its number.</param>
    /// <param name="Template">What it says.</param>
    public sealed record Version(int Number, PromptTemplate Template) : PromptChoice;

    /// <summary>There is no prompt of that name.</summary>
    public sealed record NoPrompt : PromptChoice;

    /// <summary>It has no such version, or the label says nothing.</summary>
    /// <param name="Latest">Its newest version.</param>
    public sealed record NoVersion(int Latest) : PromptChoice;
}

/// <summary>Finds the version that a reference means now, in one round trip.</summary>
public sealed class PromptReads(NpgsqlDataSource database)
{
    private const string Sql = """
        SELECT p.latest, v.version, v.template, l.canary_version, l.canary_percent
          FROM prompts p
          LEFT JOIN LATERAL (SELECT version, canary_version, canary_percent FROM prompt_labels
                              WHERE tenant_id = p.tenant_id AND name = p.name AND label = @label ORDER BY seq DESC LIMIT 1) l ON true
          LEFT JOIN prompt_versions v ON v.tenant_id = p.tenant_id AND v.name = p.name
               AND (v.version = CASE WHEN @version IS NOT NULL THEN @version WHEN @label = 'latest' THEN p.latest ELSE l.version END
                    OR v.version = l.canary_version)
         WHERE p.tenant_id = @tenant_id AND p.name = @name
        """;

    /// <param name="tenantId">Whose.</param>
    /// <param name="reference">Which; its name is one.</param>
    /// <param name="key">What decides whether the canary is meant: the same key always gets the same version.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<PromptChoice> ChooseAsync(Guid tenantId, PromptReference reference, string key, CancellationToken cancellationToken)
    {
        var label = reference.Version is null ? reference.Label ?? PromptNames.Production : "";
        await using var command = database.CreateCommandFor(tenantId, Sql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", reference.Name!);
        command.Parameters.AddWithValue("label", label);
        command.Parameters.AddWithValue("version", NpgsqlDbType.Integer, (object?)reference.Version ?? DBNull.Value);
        var rows = await command.ReadAllAsync(ReadRow, cancellationToken);
        if (rows is [])
        {
            return new PromptChoice.NoPrompt();
        }

        var canary = rows[0].CanaryVersion;
        var isCanary = canary is not null && IsCanary(reference.Name!, label, key, rows[0].CanaryPercent);
        // A canary that is the label's own version is one row.
        var chosen = rows.Find(row => row.Version == canary == isCanary) ?? rows[0];
        return chosen is { Version: { } number, Template: { } template }
            ? new PromptChoice.Version(number, PromptStore.ReadTemplate(template))
            : new PromptChoice.NoVersion(chosen.Latest);
    }

    /// <summary>Whether a key is among so many of a hundred: the same ones of a label whenever they come, and all it already had when there are more.</summary>
    public static bool IsCanary(string name, string label, string key, double percent)
    {
        // U+0000 is refused in every string, so it separates without any escaping.
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', name, label, key)));
        return BinaryPrimitives.ReadUInt32BigEndian(hash) < percent / 100 * (1L << 32);
    }

    private static Row ReadRow(NpgsqlDataReader row) =>
        new(
            row.GetInt32(0),
            row.IsDBNull(1) ? null : row.GetInt32(1),
            row.Text(2),
            row.IsDBNull(3) ? null : row.GetInt32(3),
            row.IsDBNull(4) ? 0 : row.GetDouble(4)
        );

    private sealed record Row(int Latest, int? Version, string? Template, int? CanaryVersion, double CanaryPercent);
}
