using AiBackend.Core.Database;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace AiBackend.Tests.Fixtures;

/// <summary>A database of its own for one test class, copied from a template that was migrated once.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    /// <summary>
    /// For connections of the tests themselves: the product tells its callers after two seconds that there is none, and a busy machine may take as long to
    /// make one.
    /// </summary>
    public const string Patiently = ";Timeout=15";

    /// <summary>Weeks that the migrations make and these databases do not have.</summary>
    public const int DroppedWeeks = 3;

    // No test lasts until next week. Every connection plans its statements for all partitions, which is most of what a test costs.
    private const string DropLaterWeeksSql = """
        SELECT drop_job_partition(suffix) FROM job_partitions() WHERE from_id > first_job_id(date_trunc('week', now(), 'UTC') + interval '8 days')
        """;

    private readonly PostgresServer _server;

    private TestDatabase(PostgresServer server, string name)
    {
        _server = server;
        Name = name;
        ConnectionString = server.ConnectionString(name);
        Source = DatabaseRegistration.Open(ConnectionString + Patiently);
    }

    public string Name { get; }

    public string ConnectionString { get; }

    /// <summary>Pooled connections with the product's own settings; closed with the database.</summary>
    public NpgsqlDataSource Source { get; }

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        await OnServerAsync(_server, $"DROP DATABASE IF EXISTS {Name} WITH (FORCE)", CancellationToken.None);
    }

    internal static async Task<string> CreateTemplateAsync(PostgresServer server)
    {
        const string Template = "template_migrated";
        await OnServerAsync(server, $"CREATE DATABASE {Template}", TestRun.Cancel);
        // Unpooled: a database that anyone is connected to cannot be copied.
        await using var source = DatabaseRegistration.Open(server.ConnectionString(Template) + ";Pooling=false");
        await new DatabaseMigrator(source, NullLogger<DatabaseMigrator>.Instance).MigrateAsync(TestRun.Cancel);
        await source.CreateCommand(DropLaterWeeksSql).ExecuteNonQueryAsync(TestRun.Cancel);
        return Template;
    }

    internal static async Task<TestDatabase> CopyAsync(PostgresServer server, string template)
    {
        var name = $"test_{Guid.CreateVersion7():N}";
        // File by file: block by block through the log takes three times as long.
        await OnServerAsync(server, $"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy", TestRun.Cancel);
        return new TestDatabase(server, name);
    }

    private static async Task OnServerAsync(PostgresServer server, string sql, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create(
            server.ConnectionString("postgres") + ";Pooling=false;Server Compatibility Mode=NoTypeLoading"
        );
#pragma warning disable CA2100 // Names of databases cannot be parameters; these are our own constants and a hexadecimal id.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
