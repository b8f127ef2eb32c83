using Npgsql;

namespace AiBackend.Tests.Fixtures;

/// <summary>The servers under every other test do what their names say.</summary>
public sealed class FixtureTests(PostgresServer shared)
{
    [Fact]
    public async Task A_database_is_migrated_when_a_test_gets_it()
    {
        await using var database = await shared.CreateDatabaseAsync();

        await ExecuteAsync(database.Source, "SELECT id FROM jobs");
    }

    [Fact]
    public async Task Databases_of_two_test_classes_are_apart()
    {
        await using var one = await shared.CreateDatabaseAsync();
        await using var two = await shared.CreateDatabaseAsync();

        await ExecuteAsync(one.Source, "CREATE TABLE only_here (id int)");

        await ExecuteAsync(one.Source, "SELECT * FROM only_here");
        await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(two.Source, "SELECT * FROM only_here"));
    }

    [Fact]
    public async Task Postgres_keeps_what_was_committed_when_it_is_killed_and_stopped()
    {
        await using var server = await PostgresServer.StartNewAsync();
        await using var source = NpgsqlDataSource.Create(server.ConnectionString("postgres"));
        await ExecuteAsync(source, "CREATE TABLE kept (id int)");

        await server.KillAsync();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(source, "INSERT INTO kept VALUES (1)"));
        await server.StartAsync();
        await ExecuteAsync(source, "INSERT INTO kept VALUES (1)");
        await server.StopAsync();
        await server.StartAsync();

        await using var count = source.CreateCommand("SELECT count(*) FROM kept");
        Assert.Equal(1L, await Eventually.GetAsync(async token => await count.ExecuteScalarAsync(token), _ => true, "it answers"));
    }

    [Fact]
    public async Task Redis_comes_back_on_the_same_port_after_a_kill_a_stop_and_a_freeze()
    {
        await using var redis = await RedisServer.StartNewAsync();
        var port = redis.Port;

        await redis.KillAsync();
        await redis.StartAsync();
        await redis.StopAsync();
        await redis.StartAsync();
        redis.Freeze();
        var flush = redis.FlushAsync(TestRun.Cancel);
        Assert.False(flush.IsCompleted);
        redis.Thaw();

        await flush;
        Assert.Equal(port, redis.Port);
    }

    [Fact]
    public async Task A_child_process_outlives_the_caller_that_started_it()
    {
        using var child = await Task.Run(() => ChildProcess.StartAsync(TestRun.Require("sleep"), ["60"]), TestRun.Cancel);

        Assert.False(child.HasExited);
        child.Signal(Signal.Terminate);
        await child.WaitForExitAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task Fake_time_fires_timers_in_their_order_and_only_when_passed()
    {
        var clock = new FakeTime();
        var fired = new List<string>();
        await using var late = clock.CreateTimer(_ => fired.Add("late"), null, TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        await using var often = clock.CreateTimer(_ => fired.Add("often"), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));

        clock.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Empty(fired);
        clock.Advance(TimeSpan.FromMilliseconds(1501));
        Assert.Equal(["often", "often"], fired);
        clock.Advance(TimeSpan.FromMilliseconds(500));

        Assert.Equal(["late", "often"], fired[2..].Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Fake_time_paces_a_delay_of_the_code_under_test()
    {
        var clock = new FakeTime();
        var delay = Task.Delay(TimeSpan.FromMinutes(5), clock, TestRun.Cancel);
        await clock.WaitForTimersAsync(1, TestRun.Cancel);

        clock.Advance(TimeSpan.FromMinutes(4));
        Assert.False(delay.IsCompleted);
        clock.Advance(TimeSpan.FromMinutes(1));

        await delay;
    }

    private static async Task ExecuteAsync(NpgsqlDataSource source, string sql)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
