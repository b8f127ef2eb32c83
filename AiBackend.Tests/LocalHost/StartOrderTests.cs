using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;

namespace AiBackend.Tests.LocalHost;

/// <summary>WaitFor, WaitForCompletion and what becomes of those who wait in vain.</summary>
public sealed class StartOrderTests
{
    [Fact]
    public async Task A_program_that_waits_for_another_to_finish_starts_after_it()
    {
        await using var app = new LocalApp();
        var first = app.AddScript("first", "sleep 0.3; echo done > first.done");
        app.AddScript("second", $"[ -f first.done ] && echo yes > second.saw || echo no > second.saw; {LocalApp.Idle}")
            .WaitForCompletion(first);

        await app.StartAsync();

        Assert.Equal("yes\n", await app.FileAsync("second.saw"));
    }

    [Fact]
    public async Task A_program_that_waits_for_Redis_starts_when_Redis_answers()
    {
        StackFixture.RequireServers();
        await using var app = new LocalApp();
        var redis = app.Builder.AddRedis("redis");
        var ping = """
            exec 3<>"/dev/tcp/$REDIS_HOST/$REDIS_PORT"
            printf 'AUTH %s\r\nPING\r\n' "$REDIS_PASSWORD" >&3
            read -r auth <&3; read -r pong <&3
            echo "${auth%$'\r'} ${pong%$'\r'}" > answer
            """;
        app.AddScript("client", $"{ping}; {LocalApp.Idle}").WithReference(redis).WaitFor(redis);

        await app.StartAsync();

        Assert.Equal("+OK +PONG\n", await app.FileAsync("answer"));
    }

    [Fact]
    public async Task What_needs_a_program_that_failed_is_not_started_and_waiting_for_it_ends()
    {
        await using var app = new LocalApp();
        var first = app.AddScript("first", "exit 3");
        var second = app.AddScript("second", "touch second.ran").WaitForCompletion(first);
        app.AddScript("third", "touch third.ran").WaitFor(second);

        await app.StartAsync();

        var failure = await Assert.ThrowsAsync<DistributedApplicationException>(() => app.HealthyAsync("third"));
        Assert.Contains("third is FailedToStart", failure.Message, StringComparison.Ordinal);
        Assert.Contains(
            app.Processes.LastLines("host"),
            l => l.Contains("second needs first, which is Finished with exit code 3", StringComparison.Ordinal)
        );
        Assert.Empty(Directory.GetFiles(app.Folder, "*.ran"));
    }

    [Fact]
    public async Task A_program_is_healthy_when_its_health_check_answers()
    {
        await using var app = new LocalApp();
        var serve = """
            coproc server { node -e 'require("http").createServer((q,s)=>{s.statusCode=q.url=="/ready"&&require("fs").existsSync("ready")?200:503;s.end()}).listen(process.argv[1],"localhost")' "$PORT"; }
            """;
        var server = app.AddScript("server", $"{serve}; {LocalApp.Idle}").WithHttpEndpoint().WithHttpHealthCheck("/ready");
        server.WithEnvironment(context =>
            context.EnvironmentVariables["PORT"] = server
                .GetEndpoint("http")
                .Port.ToString(System.Globalization.CultureInfo.InvariantCulture)
        );
        TestRun.Require("node");
        await app.StartAsync();
        await app.App.ResourceNotifications.WaitForResourceAsync("server", cancellationToken: TestRun.Cancel);
        var healthy = app.HealthyAsync("server");
        Assert.False(healthy.IsCompleted);

        await File.WriteAllTextAsync(Path.Combine(app.Folder, "ready"), "", TestRun.Cancel);

        await healthy;
    }

    [Fact]
    public void Nothing_waits_for_itself()
    {
        var app = new LocalApp();
        var one = app.AddScript("one", LocalApp.Idle);

        Assert.Throws<DistributedApplicationException>(() => one.WaitFor(one));
    }

    [Fact]
    public void Two_resources_cannot_share_a_name()
    {
        var app = new LocalApp();
        app.AddScript("one", LocalApp.Idle);

        Assert.Throws<DistributedApplicationException>(() => app.AddScript("ONE", LocalApp.Idle));
    }
}
