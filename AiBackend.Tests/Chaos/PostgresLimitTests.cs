using System.Diagnostics;
using System.Net;
using AiBackend.Core.Database;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Worker;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>A Postgres that answers and has no room, no connection or no lock to give.</summary>
public sealed class PostgresLimitTests(PostgresServer shared)
{
    private const int Connections = 40;

    private static readonly string Large = ApiServer.Chat.Replace("Hello", new string('x', 500_000), StringComparison.Ordinal);

    [Fact]
    public async Task F_19_on_a_full_disk_submits_say_so_reads_work_and_room_is_all_that_it_takes()
    {
        await using var postgres = await PostgresServer.StartOnSmallDiskAsync("160m");
        await using var redis = new RedisServer();
        var api = await ApiBehindProxy.StartAsync(postgres);
        try
        {
            var job = await api.SubmitAsync();
            var since = api.Log.Now;
            var ballast = Path.Combine(postgres.DataFolder, "..", "ballast");
            FillDisk(ballast);
            var refused = await Eventually.GetAsync(
                _ => api.PostAsync(Large),
                answer => answer.StatusCode == HttpStatusCode.ServiceUnavailable,
                "the disk is full",
                TimeSpan.FromSeconds(60)
            );

            var problem = await ApiServer.ReadProblemAsync(refused);
            Assert.Equal("/problems/storage-full", problem.Type);
            Assert.NotNull(refused.Headers.RetryAfter!.Delta);
            Assert.Equal(job.Id, (await api.GetJobAsync(job.Id)).Id);
            Assert.Equal((HttpStatusCode.OK, "degraded", "full"), await api.ReadinessAsync(TestRun.Cancel));
            api.Log.AssertCalm(since);

            File.Delete(ballast);
            await Eventually.TrueAsync(
                async _ => (await api.PostAsync(Large)).StatusCode == HttpStatusCode.Accepted,
                "jobs are accepted again",
                TimeSpan.FromSeconds(10)
            );
        }
        finally
        {
            await api.EndAsync();
        }
    }

    [Fact]
    public async Task F_20_without_a_connection_to_spare_callers_are_told_and_all_is_well_soon_after_there_is_one()
    {
        await using var postgres = await PostgresServer.StartNewAsync(("max_connections", $"{Connections}"));
        await using var greedy = NpgsqlDataSource.Create(postgres.ConnectionString("postgres") + ";Pooling=false");
        // Before anybody else: the pools of an Api and a worker may already be all there are.
        var hunt = await greedy.OpenConnectionAsync(TestRun.Cancel);
        var api = await ApiBehindProxy.StartAsync(postgres);
        await using var redis = await RedisServer.StartNewAsync();
        using var log = new LogCount();
        var worker = await WorkerUnderTest.StartAsync(
            api.Db.ConnectionString,
            redis.ConnectionString,
            [(new Uri("http://127.0.0.1:9"), "none")],
            [],
            builder => builder.Logging.AddProvider(log)
        );
        var hoard = new List<NpgsqlConnection>();
        try
        {
            await api.SubmitAsync();
            // As after a restart of everything at once: whoever is first has them all.
            // A connection that was told to end still has its place until it has, and so does one that is just beginning.
            hoard.Add(hunt);
            await Eventually.TrueAsync(
                async _ =>
                {
                    await using var end = new NpgsqlCommand(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname <> 'postgres'",
                        hunt
                    );
                    await end.ExecuteNonQueryAsync(TestRun.Cancel);
                    await TakeAllAsync(greedy, hoard);
                    return hoard.Count == Connections;
                },
                "every connection is ours",
                TimeSpan.FromSeconds(60)
            );
            var since = log.Now;
            var watch = Stopwatch.StartNew();
            var answers = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => api.PostAsync(ApiServer.Chat)));
            Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
            foreach (var answer in answers)
            {
                await ApiBehindProxy.AssertUnavailableAsync(answer);
            }

            await Eventually.GetAsync(
                api.ReadinessAsync,
                ready => ready is { Postgres: "unhealthy" or "degraded", Cause: "connections_exhausted" },
                "readiness names the cause"
            );
            await Eventually.TrueAsync(() => log.Now - since > TimeSpan.FromSeconds(2), "time passes");
            log.AssertCalm(since);

            hoard.ForEach(connection => connection.Dispose());
            hoard.Clear();
            await Eventually.TrueAsync(
                async _ => (await api.PostAsync(ApiServer.Chat)).StatusCode == HttpStatusCode.Accepted,
                "jobs are accepted again"
            );
            await Eventually.TrueAsync(
                async token => (await api.ReadinessAsync(token)).Postgres == "healthy",
                "readiness is well again",
                TimeSpan.FromSeconds(20)
            );
        }
        finally
        {
            hoard.ForEach(connection => connection.Dispose());
            await worker.DisposeAsync();
            await api.EndAsync();
        }
    }

    [Fact]
    public async Task A_pool_that_is_used_up_is_told_from_a_server_that_is_away()
    {
        await using var database = await shared.CreateDatabaseAsync();
        await using var small = DatabaseRegistration.Open(database.ConnectionString + ";Maximum Pool Size=1;Timeout=1");
        await using var only = await small.OpenConnectionAsync(TestRun.Cancel);

        var failure = await Assert.ThrowsAnyAsync<Exception>(async () => await small.OpenConnectionAsync(TestRun.Cancel));

        Assert.Equal(StorageTrouble.Exhausted, StorageFailures.Of(failure));
    }

    [Fact]
    public async Task F_21_a_lock_that_somebody_sits_on_costs_every_caller_a_bounded_time()
    {
        var api = await ApiBehindProxy.StartAsync(shared);
        try
        {
            var job = await api.SubmitAsync();
            await using var connection = await api.Db.Source.OpenConnectionAsync(TestRun.Cancel);
            await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
            await using var sit = new NpgsqlCommand("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE", connection, transaction);
            await sit.ExecuteNonQueryAsync(TestRun.Cancel);

            var watch = Stopwatch.StartNew();
            var answers = await Task.WhenAll(
                Enumerable
                    .Range(0, 60)
                    .Select(i => i % 2 == 0 ? api.PostAsync(ApiServer.Chat) : api.Http.GetAsync($"/api/v1/jobs/{job.Id}", TestRun.Cancel))
            );

            // Three seconds for the lock, five for a commit, and what 60 requests on 24 connections take on a busy machine.
            Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));
            foreach (var answer in answers)
            {
                await ApiBehindProxy.AssertUnavailableAsync(answer);
            }

            await transaction.RollbackAsync(TestRun.Cancel);
            await Eventually.TrueAsync(
                async _ => (await api.PostAsync(ApiServer.Chat)).StatusCode == HttpStatusCode.Accepted,
                "jobs are accepted again"
            );
        }
        finally
        {
            await api.EndAsync();
        }
    }

    [Fact]
    public async Task F_21_a_session_of_ours_that_sits_in_a_transaction_is_ended_with_its_locks()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await using var database = await shared.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            add: null,
            ("Database:IdleInTransactionTimeout", "00:00:01")
        );
        await using var connection = await core.Get<NpgsqlDataSource>().OpenConnectionAsync(TestRun.Cancel);
        await using var begin = new NpgsqlCommand("BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE", connection);
        await begin.ExecuteNonQueryAsync(TestRun.Cancel);

        await core.SubmitAsync();

        var failure = await Assert.ThrowsAnyAsync<NpgsqlException>(() => begin.ExecuteNonQueryAsync(TestRun.Cancel));
        Assert.Equal(StorageTrouble.Unreachable, StorageFailures.Of(failure));
    }

    [Fact]
    public async Task F_21_whoever_else_sits_in_a_transaction_of_this_database_is_ended_after_a_minute()
    {
        await using var server = await PostgresServer.StartNewAsync();
        await using var source = NpgsqlDataSource.Create(server.ConnectionString("postgres") + ";Pooling=false");
        await new DatabaseMigrator(source, NullLogger<DatabaseMigrator>.Instance).MigrateAsync(TestRun.Cancel);

        await using var ask = source.CreateCommand("SHOW idle_in_transaction_session_timeout");

        Assert.Equal("1min", await ask.ExecuteScalarAsync(TestRun.Cancel));
    }

    private static async Task TakeAllAsync(NpgsqlDataSource source, List<NpgsqlConnection> hoard)
    {
        try
        {
            while (true)
            {
                hoard.Add(await source.OpenConnectionAsync(TestRun.Cancel));
            }
        }
        catch (PostgresException full) when (full.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            // That is all there are.
        }
    }

    private static void FillDisk(string ballast)
    {
        using var file = File.Create(ballast);
        var block = new byte[64 * 1024];
        try
        {
            while (true)
            {
                file.Write(block);
                file.Flush();
            }
        }
        catch (IOException)
        {
            // Full, but for less than a block.
        }
    }
}
