using AiBackend.Core.Database;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Tests.Simulation;

/// <summary>The product's own SQL on a real Postgres whose clock and dice follow the schedule.</summary>
/// <remarks>
/// <c>now()</c> and <c>random()</c> in the product's statements and column defaults are unqualified names: a schema before
/// <c>pg_catalog</c> in the search path has its own. Nothing in the product knows.
/// </remarks>
internal sealed class PostgresBackend : IAsyncDisposable
{
    // The dice are those of World.Dice: (n * 7919 + base) mod 10007, with n counting from 1 in each statement.
    private const string PrepareSql = """
        CREATE SCHEMA sim;
        CREATE TABLE sim.clock (at timestamptz NOT NULL, base bigint NOT NULL);
        CREATE SEQUENCE sim.dice;
        CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM sim.clock';
        CREATE FUNCTION sim.random() RETURNS double precision LANGUAGE sql VOLATILE AS
            'SELECT ((nextval(''sim.dice'') * 7919 + base) % 10007) / 10007.0::double precision FROM sim.clock';
        INSERT INTO sim.clock VALUES ('2030-01-01 00:00:00+00', 0);
        """;

    // All of a run's jobs are in the first partition or in the default one; each further one costs every plan.
    private const string ShrinkSql = "SELECT drop_job_partition(suffix) FROM job_partitions() WHERE from_id IS NOT NULL";

    private const string ClearSql = """
        SELECT string_agg(format('DELETE FROM %s', oid::regclass), '; ')
          FROM pg_class WHERE relnamespace = 'sim'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
           AND relname NOT IN ('clock', 'organisations', 'tenants', 'audit_log', 'audit_head', 'audit_anchors', 'message_key',
                               'schema_migrations')
        """;

    private const string DumpSql = """
        SELECT j.id, j.status, j.lease_epoch, j.attempt, j.excused, j.crash_count, j.cancel_requested, j.last_seq, j.error_code,
               j.due_at, j.finished_at, o.text, EXISTS (SELECT 1 FROM dead_letters d WHERE d.job_id = j.id),
               coalesce((SELECT string_agg(a.attempt || ':' || a.outcome, ' ' ORDER BY a.attempt) FROM job_attempts a WHERE a.job_id = j.id), '')
          FROM jobs j LEFT JOIN job_outputs o ON o.job_id = j.id ORDER BY j.id
        """;

    private readonly TestDatabase _database;
    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlDataSource _hot;
    private readonly NpgsqlConnection _clock;
    private readonly NpgsqlCommand _setClock;
    private readonly string _clear;

    private PostgresBackend(TestDatabase database, NpgsqlDataSource source, NpgsqlDataSource hot, NpgsqlConnection clock, string clear)
    {
        (_database, _source, _hot, _clock) = (database, source, hot, clock);
        _clear = clear;
        _setClock = new NpgsqlCommand("UPDATE sim.clock SET at = $1, base = $2 WHERE setval('sim.dice', 1, false) = 1", _clock)
        {
            Parameters =
            {
                new() { Value = Schedule.Start },
                new() { Value = 0L },
                new() { Value = 1L },
            },
        };
    }

    public static async Task<PostgresBackend> StartAsync(PostgresServer server)
    {
        var database = await server.CreateEmptyDatabaseAsync();
        await using (var plain = NpgsqlDataSource.Create(database.ConnectionString + ";Pooling=false"))
        {
            await using var prepare = plain.CreateCommand(PrepareSql);
            await prepare.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        // Cheap where nothing is at stake: plans are kept, and a commit does not wait for its log record.
        var settings = database.ConnectionString + ";Search Path=\"sim,pg_catalog,public\";Maximum Pool Size=2;Max Auto Prepare=100";
        var source = DatabaseRegistration.Open(settings + ";Options=\"-c synchronous_commit=off\"");
        await new DatabaseMigrator(source, NullLogger<DatabaseMigrator>.Instance).MigrateAsync(TestRun.Cancel);
        var hot = DatabaseRegistration.Open(settings + ";Options=\"-c synchronous_commit=off -c plan_cache_mode=force_generic_plan\"");
        await using var shrink = source.CreateCommand(ShrinkSql);
        await shrink.ExecuteNonQueryAsync(TestRun.Cancel);
        await using var tables = source.CreateCommand(ClearSql);
        return new PostgresBackend(
            database,
            source,
            hot,
            await hot.OpenConnectionAsync(TestRun.Cancel),
            (string)(await tables.ExecuteScalarAsync(TestRun.Cancel))!
        );
    }

    /// <summary>An empty system for one run; the run before must be over.</summary>
    public SimulatedSystem System() => new() { Backend = Open };

    public async ValueTask DisposeAsync()
    {
        await _setClock.DisposeAsync();
        await _clock.DisposeAsync();
        await _hot.DisposeAsync();
        await _source.DisposeAsync();
        await _database.DisposeAsync();
    }

    private Backend Open(World world)
    {
        using var clear = _source.CreateCommand(_clear);
        clear.ExecuteNonQuery();
        var jobs = new PostgresJobStore(_source, _hot, _hot);
        var queued = new FindQueuedJobs(_source, _hot, Options.Create(new QueueOptions()));
        var suspects = new FindSuspects(_source, _hot);
        return new Backend(
            jobs,
            queued,
            new JobEventLog(_source, _source),
            async () => [.. await suspects.RunAsync(8, CancellationToken.None)],
            Dump,
            () => SetClock(world)
        );
    }

    /// <summary>Before each statement, because each reads the clock in its own transaction.</summary>
    private void SetClock(World world)
    {
        _setClock.Parameters[0].Value = world.Now;
        _setClock.Parameters[1].Value = world.Now.Ticks / 10 % 10_007;
        _setClock.ExecuteNonQuery();
    }

    private List<StoredJob> Dump()
    {
        using var command = _source.CreateCommand(DumpSql);
        using var reader = command.ExecuteReader();
        var jobs = new List<StoredJob>();
        while (reader.Read())
        {
            jobs.Add(
                new StoredJob(
                    reader.GetGuid(0),
                    (JobStatus)reader.GetInt16(1),
                    reader.GetInt32(2),
                    reader.GetInt16(3),
                    reader.GetInt16(4),
                    reader.GetInt16(5),
                    reader.GetBoolean(6),
                    reader.GetInt32(7),
                    reader.IsDBNull(8) ? null : reader.GetString(8),
                    reader.GetFieldValue<DateTimeOffset>(9),
                    reader.IsDBNull(10) ? null : reader.GetFieldValue<DateTimeOffset>(10),
                    reader.IsDBNull(11) ? null : reader.GetString(11),
                    reader.GetBoolean(12),
                    reader.GetString(13)
                )
            );
        }

        return jobs;
    }
}
