using System.Data;
using System.Reflection;
using AiBackend.Core.Faults;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>Applies the numbered SQL files of this assembly, oldest first, each in a transaction of its own.</summary>
/// <remarks>
/// Safe to run from several processes at once: an advisory lock lets one work while the others wait and then find nothing
/// to do. A kill between two files, or inside one, is resumed by the next run.
/// </remarks>
public sealed class DatabaseMigrator(NpgsqlDataSource database, ILogger<DatabaseMigrator> logger)
{
    private const long AdvisoryLock = 0x4149_4d49_4752; // "AIMIGR"
    private const int MaxTries = 60;
    private static readonly TimeSpan PauseBetweenTries = TimeSpan.FromSeconds(1);
    private const string ResourcePrefix = "AiBackend.Core.Database.Migrations.";

    /// <returns>How many files were applied now; 0 when the schema was current.</returns>
    /// <exception cref="NpgsqlException">The database could not be reached or refused a statement; earlier files stay applied.</exception>
    public async Task<int> MigrateAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        // The limits of a pooled connection are for statements that somebody waits for; this one waits for other processes.
        await ExecuteAsync(connection, "SET lock_timeout = 0; SET statement_timeout = 0", cancellationToken);
        await ExecuteAsync(connection, $"SELECT pg_advisory_lock({AdvisoryLock})", cancellationToken);
        try
        {
            await ExecuteAsync(
                connection,
                """
                CREATE TABLE IF NOT EXISTS schema_migrations
                    (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())
                """,
                cancellationToken
            );
            var applied = await ReadAppliedAsync(connection, cancellationToken);
            var pending = FileNames().Where(name => !applied.Contains(name)).ToList();
            foreach (var name in pending)
            {
                await ApplyWhenFreeAsync(connection, name, cancellationToken);
                logger.MigrationApplied(name);
            }

            return pending.Count;
        }
        finally
        {
            // The lock belongs to the session, and a pooled session outlives this method. None: it must go back even on cancellation.
            if (connection.State == ConnectionState.Open)
            {
                await ExecuteAsync(connection, $"SELECT pg_advisory_unlock({AdvisoryLock})", CancellationToken.None);
                await ExecuteAsync(connection, "RESET lock_timeout; RESET statement_timeout", CancellationToken.None);
            }
        }
    }

    /// <summary>Waits for tables in use in short goes: behind a migration that waits for a lock waits everything else.</summary>
    private static async Task ApplyWhenFreeAsync(NpgsqlConnection connection, string name, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await ApplyAsync(connection, name, cancellationToken);
                return;
            }
            catch (PostgresException busy)
                when (busy.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected && tries < MaxTries)
            {
                await Task.Delay(PauseBetweenTries, cancellationToken);
            }
        }
    }

    private static async Task ApplyAsync(NpgsqlConnection connection, string name, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(connection, "SET LOCAL lock_timeout = '1s'", cancellationToken);
        await ExecuteAsync(connection, ReadFile(name), cancellationToken);
        await using var record = new NpgsqlCommand("INSERT INTO schema_migrations (name) VALUES ($1)", connection, transaction)
        {
            Parameters = { new() { Value = name } },
        };
        await record.ExecuteNonQueryAsync(cancellationToken);
        FaultPoints.Hit(FaultPoint.K20);
        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task<HashSet<string>> ReadAppliedAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT name FROM schema_migrations", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    private static IEnumerable<string> FileNames() =>
        typeof(DatabaseMigrator)
            .Assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(ResourcePrefix, StringComparison.Ordinal))
            .Select(name => name[ResourcePrefix.Length..])
            .Order(StringComparer.Ordinal);

    private static string ReadFile(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(ResourcePrefix + name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Only constants and the files compiled into this assembly reach this method.
        // No time-out: another process may hold the lock, and an index takes as long as it takes.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
