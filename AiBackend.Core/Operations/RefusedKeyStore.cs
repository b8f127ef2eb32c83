using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Operations;

/// <summary>Which keys providers have refused: found out by one worker, known to all, also after a restart, until somebody takes it back.</summary>
public sealed class RefusedKeyStore(NpgsqlDataSource database)
{
    private const string AddSql = """
        INSERT INTO refused_keys (provider, key_id)
        SELECT provider, key_id FROM unnest(@provider, @key_id) AS n (provider, key_id)
        ON CONFLICT DO NOTHING
        """;

    private const string ListSql = "SELECT provider, key_id, refused_at FROM refused_keys";

    // Of every key it ever had: those of before are of no use to anybody.
    private const string RemoveSql = "DELETE FROM refused_keys WHERE provider = @provider";

    private const string ForgetSql = """
        DELETE FROM refused_keys r USING unnest(@provider, @key_id) AS n (provider, key_id)
         WHERE r.provider = n.provider AND r.key_id = n.key_id AND r.refused_at < now() - @older_than
        """;

    /// <summary>Notes keys; those that are known stay as they are.</summary>
    public async Task AddAsync(IReadOnlyCollection<(string Provider, string KeyId)> keys, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(AddSql);
        command.Parameters.AddColumn("provider", NpgsqlDbType.Text, [.. keys], key => key.Provider);
        command.Parameters.AddColumn("key_id", NpgsqlDbType.Text, [.. keys], key => key.KeyId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>All of them, also those that no process has any more.</summary>
    public async Task<IReadOnlyList<(string Provider, string KeyId, DateTimeOffset RefusedAt)>> ListAsync(
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(ListSql);
        return await command.ReadAllAsync(
            row => (row.GetString(0), row.GetString(1), row.GetFieldValue<DateTimeOffset>(2)),
            cancellationToken
        );
    }

    /// <summary>Forgets keys that were refused longer ago; one that somebody still has is refused, and noted, again.</summary>
    public async Task ForgetAsync(
        IReadOnlyCollection<(string Provider, string KeyId)> keys,
        TimeSpan olderThan,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommand(ForgetSql);
        command.Parameters.AddColumn("provider", NpgsqlDbType.Text, [.. keys], key => key.Provider);
        command.Parameters.AddColumn("key_id", NpgsqlDbType.Text, [.. keys], key => key.KeyId);
        command.Parameters.AddWithValue("older_than", olderThan);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Lets a provider be asked again.</summary>
    public async Task RemoveAsync(string provider, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(RemoveSql, out var command);
        command.Parameters.AddWithValue("provider", provider);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }
}
