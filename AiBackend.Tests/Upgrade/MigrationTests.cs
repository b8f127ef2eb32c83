using System.Globalization;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Worker;
using Npgsql;

namespace AiBackend.Tests.Upgrade;

/// <summary>A schema with jobs in it is brought forward by a process that is killed inside every file.</summary>
public sealed class MigrationTests(PostgresServer postgres)
{
    // Of the version before: a job that runs, one that has ended, and one that a wrong clock dated ahead.
    private const string OldJobsSql = """
        INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq, finished_at)
        VALUES ('01900000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000001', 1, 1, 1, 'default', 3, 1, NULL),
               ('01900000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-000000000001', 1, 6, 1, 'default', 3, 1, now()),
               ('1d900000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000001', 1, 1, 1, 'default', 3, 1, NULL);
        INSERT INTO job_payloads (job_id, tenant_id, schema_version, input) SELECT id, tenant_id, 1, '{}' FROM jobs;
        INSERT INTO job_events (job_id, seq, kind, tenant_id, data) SELECT id, 1, 1, tenant_id, '{}' FROM jobs;
        """;

    [Fact]
    public Task F_45_K20_migrations_that_are_killed_inside_every_sixth_file_are_resumed_and_keep_every_row() => KillAsync(every: 6);

    [Fact]
    [Trait("Category", "Long")]
    public Task F_45_K20_migrations_that_are_killed_inside_each_file_are_resumed_and_keep_every_row() => KillAsync(every: 1);

    private async Task KillAsync(int every)
    {
        await using var database = await postgres.CreateEmptyDatabaseAsync();
        // At its second hit the point lies inside the second file of a run: one file a run stays, and the next is undone.
        Assert.NotEqual(0, await MigrateAsync(database, "K20:kill@2"));
        Assert.Equal(["0001_jobs.sql"], await AppliedAsync(database));
        await ExecuteAsync(database, OldJobsSql);
        await ExecuteAsync(database, "INSERT INTO tenants (id, slug) VALUES ('01900000-0000-7000-8000-0000000000aa', 'acme')");
        var file = await ScalarAsync<long>(database, "SELECT pg_relation_filenode('jobs')");

        var applied = 1;
        while (await MigrateAsync(database, FormattableString.Invariant($"K20:kill@{every + 1}")) != 0)
        {
            Assert.Equal(applied += every, (await AppliedAsync(database)).Count);
        }

        Assert.Equal(0, await MigrateAsync(database, null));
        Assert.InRange((await AppliedAsync(database)).Count, applied + 1, applied + every);
        // The table of before is a partition now, with the same file: nothing was rewritten.
        Assert.Equal(file, await ScalarAsync<long>(database, "SELECT pg_relation_filenode('jobs_first')"));
        Assert.Equal(
            (3, 3, 3),
            (await CountAsync(database, "jobs"), await CountAsync(database, "job_payloads"), await CountAsync(database, "job_events"))
        );
        Assert.Equal(1, await CountAsync(database, "jobs_default"));
        // Not next to what makes operators.
        Assert.Equal(
            "acme default",
            await ScalarAsync<string>(
                database,
                "SELECT string_agg(o.slug, ' ' ORDER BY o.slug) FROM tenants t JOIN organisations o ON o.id = t.organisation_id AND o.slug = t.slug"
            )
        );
        Assert.Equal(
            "AI001",
            (
                await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(database, "UPDATE jobs SET attempt = 9 WHERE status = 6"))
            ).SqlState
        );
    }

    [Fact]
    public async Task A_statement_that_was_prepared_before_a_migration_goes_on_after_it()
    {
        await using var database = await postgres.CreateEmptyDatabaseAsync();
        Assert.NotEqual(0, await MigrateAsync(database, "K20:kill@2"));
        await ExecuteAsync(database, OldJobsSql);
        await using var old = await database.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var claim = new NpgsqlCommand(
            "UPDATE jobs j SET lease_epoch = lease_epoch + 1 FROM unnest($1) AS i (id) WHERE j.id = i.id",
            old
        )
        {
            Parameters = { new() { Value = new[] { Guid.Parse("01900000-0000-7000-8000-000000000001") } } },
        };
        await claim.PrepareAsync(TestRun.Cancel);
        Assert.Equal(1, await claim.ExecuteNonQueryAsync(TestRun.Cancel));

        Assert.Equal(0, await MigrateAsync(database, null));

        Assert.Equal(1, await claim.ExecuteNonQueryAsync(TestRun.Cancel));
        Assert.Equal(2, await ScalarAsync<int>(database, "SELECT lease_epoch FROM jobs WHERE id = '01900000-0000-7000-8000-000000000001'"));
    }

    private static async Task<int> MigrateAsync(TestDatabase database, string? fault)
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["DOTNET_ENVIRONMENT"] = "Development",
            ["ConnectionStrings__aibackend"] = database.ConnectionString,
            ["AIBACKEND_FAULT"] = fault,
        };
        using var process = await ChildProcess.StartAsync(
            TestRun.Require("dotnet"),
            [WorkerProcess.Binary, "migrate"],
            environment: variables
        );
        await process.WaitForExitAsync(TestRun.Cancel);
        return process.ExitCode;
    }

    private static async Task<IReadOnlyList<string>> AppliedAsync(TestDatabase database) =>
        (await ScalarAsync<string>(database, "SELECT string_agg(name, ',' ORDER BY name) FROM schema_migrations")).Split(',');

    private static Task<int> CountAsync(TestDatabase database, string table) => ScalarAsync<int>(database, $"SELECT count(*) FROM {table}");

    private static async Task<T> ScalarAsync<T>(TestDatabase database, string sql)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = database.Source.CreateCommand(sql);
#pragma warning restore CA2100
        return (T)Convert.ChangeType((await command.ExecuteScalarAsync(TestRun.Cancel))!, typeof(T), CultureInfo.InvariantCulture);
    }

    private static async Task ExecuteAsync(TestDatabase database, string sql)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = database.Source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
