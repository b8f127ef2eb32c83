using Npgsql;

namespace AiBackend.Core.Events;

/// <summary>Knows the key of the codes behind messages.</summary>
public interface IMessageKey
{
    /// <summary>The same for all processes of an installation.</summary>
    Task<byte[]> ReadAsync(CancellationToken cancellationToken);
}

/// <summary>It is in Postgres alone (0073_message_key.sql).</summary>
public sealed class MessageKey(NpgsqlDataSource database) : IMessageKey
{
    /// <inheritdoc />
    public async Task<byte[]> ReadAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT key FROM message_key");
        return (byte[])(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
