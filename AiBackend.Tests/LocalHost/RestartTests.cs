using System.Diagnostics;
using AiBackend.LocalHost.Supervision;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.Tests.LocalHost;

/// <summary>A process that dies unasked comes back, and says so, but not in a storm.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task A_process_killed_from_outside_is_started_again_and_that_is_said_aloud()
    {
        await using var app = new LocalApp();
        app.AddScript("victim", LocalApp.Idle);
        await app.StartAsync();
        await app.HealthyAsync("victim");
        var killed = app.PidOf("victim");

        using (var process = Process.GetProcessById(killed))
        {
            process.Kill();
        }

        var next = await app.Processes.WaitForRestartAsync("victim", killed, cancellationToken: TestRun.Cancel);
        Assert.NotEqual(killed, next);
        Assert.Equal(1, app.Processes.Of("victim")[0].RestartCount);
        Assert.Contains(
            app.Processes.LastLines("host"),
            l => l.Contains("victim ended unasked with exit code 137; it is started again in 0.25 s", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task Redis_comes_back_on_the_same_port_with_what_it_held()
    {
        EndToEnd.StackFixture.RequireServers();
        await using var app = new LocalApp();
        var redis = app.Builder.AddRedis("redis");
        await app.StartAsync();
        await app.HealthyAsync("redis");
        var before = await redis.Resource.GetConnectionStringAsync(TestRun.Cancel);
        await SayToRedisAsync(redis.Resource, "SET kept yes", "+OK");
        // A second after the write it is on disk: the most Redis may lose.
        await Eventually.TrueAsync(
            () =>
                Directory
                    .GetFiles(Path.Combine(app.StateDirectory, "redis"), "*.incr.aof", SearchOption.AllDirectories)
                    .Any(f => File.ReadAllText(f).Contains("kept", StringComparison.Ordinal)),
            "the write is in the log"
        );

        var killed = app.Processes.Kill("redis");
        await app.Processes.WaitForRestartAsync("redis", killed, cancellationToken: TestRun.Cancel);

        await SayToRedisAsync(redis.Resource, "GET kept", "$3");
        Assert.Equal(before, await redis.Resource.GetConnectionStringAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task A_resource_that_was_stopped_stays_down_until_it_is_started()
    {
        await using var app = new LocalApp();
        app.AddScript("service", LocalApp.Idle);
        await app.StartAsync();
        await app.HealthyAsync("service");
        var before = app.PidOf("service");

        await app.Processes.StopAsync("service", TestRun.Cancel);
        await app.App.ResourceNotifications.WaitForResourceAsync("service", KnownResourceStates.Exited, TestRun.Cancel);
        await app.Processes.StartAsync("service", TestRun.Cancel);

        Assert.NotEqual(before, app.PidOf("service"));
        Assert.Equal(0, app.Processes.Of("service")[0].RestartCount);
    }

    [Fact]
    public async Task A_variable_for_a_replica_holds_from_its_next_start_until_it_is_taken_away_and_its_deaths_are_not_counted()
    {
        await using var app = new LocalApp();
        app.AddScript("victim", "echo \"${FAULT:-none}\" >> seen; [ -z \"$FAULT\" ] || exit 3; " + LocalApp.Idle);
        await app.StartAsync();
        await app.HealthyAsync("victim");

        app.Processes.SetVariable("victim", "FAULT", "die");
        var killed = app.Processes.Kill("victim");
        await Eventually.TrueAsync(
            () => File.ReadAllLines(Path.Combine(app.Folder, "seen")).Count(line => line == "die") > 6,
            "it dies more often than a minute allows",
            TimeSpan.FromSeconds(30)
        );
        app.Processes.SetVariable("victim", "FAULT", null);

        await Eventually.TrueAsync(
            async c => (await File.ReadAllLinesAsync(Path.Combine(app.Folder, "seen"), c))[^1] == "none",
            "it runs without the variable again"
        );
        Assert.NotEqual(killed, await app.PidAsync("victim"));
    }

    [Fact]
    public void Waits_between_restarts_double_and_at_most_five_fall_into_a_minute()
    {
        var time = new FakeTime();
        var start = time.GetUtcNow();
        var budget = new RestartBudget(time);
        List<double> startedAt = [];

        for (var i = 0; i < 12; i++)
        {
            time.Advance(budget.Next());
            startedAt.Add((time.GetUtcNow() - start).TotalSeconds);
        }

        Assert.Equal([0.25, 0.75, 1.75, 3.75, 7.75], startedAt.Take(5));
        Assert.All(
            startedAt,
            t => Assert.InRange(startedAt.Count(other => other >= t && other < t + 60), 1, RestartBudget.MaxRestartsPerMinute)
        );
        Assert.True(startedAt[^1] < 200, "it goes on trying");
    }

    private static async Task SayToRedisAsync(RedisResource redis, string command, string expected)
    {
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(redis.Host, redis.Port, TestRun.Cancel);
        await using var stream = client.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"AUTH {redis.Password}\r\n{command}\r\n"), TestRun.Cancel);
        using var reader = new StreamReader(stream);
        Assert.Equal("+OK", await reader.ReadLineAsync(TestRun.Cancel));
        Assert.Equal(expected, await reader.ReadLineAsync(TestRun.Cancel));
    }
}
