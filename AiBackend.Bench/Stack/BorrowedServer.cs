using Npgsql;

namespace AiBackend.Bench.Stack;

/// <summary>A database of its own on a Postgres that somebody else runs, for one round; gone afterwards.</summary>
internal sealed class BorrowedServer : IAsyncDisposable
{
    private readonly string _server;
    private readonly string _name;

    private BorrowedServer(string server, string name)
    {
        _server = server;
        _name = name;
        ConnectionString = new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
    }

    public string ConnectionString { get; }

    public static async Task<BorrowedServer> CreateAsync(string server, CancellationToken cancellationToken)
    {
        var borrowed = new BorrowedServer(server, $"aibackend_bench_{Guid.CreateVersion7():N}");
        await borrowed.ExecuteAsync($"CREATE DATABASE {borrowed._name}", cancellationToken);
        return borrowed;
    }

    public async ValueTask DisposeAsync() =>
        // None: what this round made must go, however the round ended; the command time-out bounds it.
        await ExecuteAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)", CancellationToken.None);

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create(_server);
#pragma warning disable CA2100 // The name of a database cannot be a parameter; it is a constant and a hexadecimal id.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
