using Npgsql;

namespace AiBackend.Core.Events;

/// <summary>What Redis does not know of messages.</summary>
public interface IMessageStore
{
    /// <summary>The key of the codes behind messages, the same for all processes of an installation.</summary>
    Task<byte[]> ReadKeyAsync(CancellationToken cancellationToken);

    /// <summary>Puts down that messages came which none of our processes sent; the leader raises an alert.</summary>
    Task NoteForgedAsync(string channel, long messages, CancellationToken cancellationToken);
}

/// <summary>It is in Postgres alone (0073_message_key.sql).</summary>
public sealed class MessageStore(NpgsqlDataSource database) : IMessageStore
{
    private const string NoteSql = """
        INSERT INTO forged_messages AS f (channel, messages, latest_at) VALUES (@channel, @messages, now())
        ON CONFLICT (channel) DO UPDATE SET messages = f.messages + excluded.messages, latest_at = now()
        """;

    /// <inheritdoc />
    public async Task<byte[]> ReadKeyAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT key FROM message_key");
        return (byte[])(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <inheritdoc />
    public async Task NoteForgedAsync(string channel, long messages, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(NoteSql);
        command.Parameters.AddWithValue("channel", channel);
        command.Parameters.AddWithValue("messages", messages);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
