using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>One execution of a statement that stays prepared on its connection.</summary>
/// <remarks>
/// Prepared by us and not by Npgsql's counting: a statement that fails in the very execution that prepares it would leave its
/// connection unable to run it again (https://github.com/npgsql/npgsql/issues/6391).
/// </remarks>
internal sealed class HotCommand : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;

    private HotCommand(NpgsqlConnection connection, NpgsqlCommand command)
    {
        _connection = connection;
        Command = command;
    }

    /// <summary>Ready to be executed.</summary>
    public NpgsqlCommand Command { get; }

    /// <param name="source">The source under <see cref="DatabaseRegistration.HotPath"/> or <see cref="DatabaseRegistration.Rounds"/>.</param>
    /// <param name="sql">A constant.</param>
    /// <param name="fill">Adds the parameters, each with its type.</param>
    /// <param name="cancellationToken">Ends the wait for a connection and the preparation.</param>
    public static async Task<HotCommand> OpenAsync(
        NpgsqlDataSource source,
        string sql,
        Action<NpgsqlParameterCollection> fill,
        CancellationToken cancellationToken
    )
    {
        var connection = await source.OpenConnectionAsync(cancellationToken);
        try
        {
#pragma warning disable CA2100 // Callers hand over constants.
            var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
            fill(command.Parameters);
            // Only the first time on a connection does this ask Postgres.
            await command.PrepareAsync(cancellationToken);
            return new HotCommand(connection, command);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>The same for rows of one tenant, for reads that the Api makes all the time: planning one costs more than running it.</summary>
    /// <param name="source">The source under <see cref="DatabaseRegistration.HotPath"/>.</param>
    /// <param name="tenantId">Who acts.</param>
    /// <param name="actingSql">Made by <see cref="TenantWall.ActingFor"/>, once.</param>
    /// <param name="fill">Adds the other parameters, each with its type.</param>
    /// <param name="cancellationToken">Ends the wait for a connection and the preparation.</param>
    public static Task<HotCommand> OpenForAsync(
        NpgsqlDataSource source,
        Guid tenantId,
        string actingSql,
        Action<NpgsqlParameterCollection> fill,
        CancellationToken cancellationToken
    ) =>
        OpenAsync(
            source,
            actingSql,
            parameters =>
            {
                fill(parameters);
                parameters.AddTenants([tenantId]);
            },
            cancellationToken
        );

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await Command.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
