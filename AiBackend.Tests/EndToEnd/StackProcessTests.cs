using System.Globalization;
using AiBackend.LocalHost;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>The AppHost's topology, as its processes see it.</summary>
[Collection(StackCollection.Name)]
public sealed class StackProcessTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public void Two_workers_run()
    {
        var workers = _stack.Processes.Of("worker");

        Assert.Equal(["worker-1", "worker-2"], workers.Select(w => w.ReplicaId));
        Assert.Distinct(workers.Select(w => w.ProcessId));
        Assert.All(workers, w => Assert.Equal("Running", w.State));
    }

    [Fact]
    public void The_migrations_have_run_to_their_end()
    {
        Assert.Equal("Finished", Assert.Single(_stack.Processes.Of("migrations")).State);
    }

    [Theory]
    [InlineData("api")]
    [InlineData("worker")]
    public void A_program_is_given_what_Aspire_would_give_it(string program)
    {
        var environment = EnvironmentOf(_stack.Processes.Of(program)[0]);

        Assert.Equal(_stack.Postgres, environment["ConnectionStrings__aibackend"]);
        Assert.Equal(_stack.Redis, environment["ConnectionStrings__redis"]);
        Assert.Equal("aibackend", environment["AIBACKEND_DATABASENAME"]);
        Assert.StartsWith("postgresql://postgres:", environment["AIBACKEND_URI"], StringComparison.Ordinal);
        Assert.StartsWith("redis://:", environment["REDIS_URI"], StringComparison.Ordinal);
        Assert.Equal(_stack.SimulatorAddress, new Uri(environment["services__simulator__http__0"]));
        Assert.Equal(_stack.SimulatorAddress, new Uri(environment["SIMULATOR_HTTP"]));
        Assert.Equal(_stack.KeyFile, environment["AIBACKEND_DEV_KEY_FILE"]);
        Assert.Equal("Development", environment["DOTNET_ENVIRONMENT"]);
        Assert.Equal("Development", environment["ASPNETCORE_ENVIRONMENT"]);
        Assert.Equal(program, environment["OTEL_SERVICE_NAME"]);
        Assert.Matches("^service.instance.id=[a-z0-9]{8}", environment["OTEL_RESOURCE_ATTRIBUTES"]);
    }

    [Fact]
    public void The_web_site_is_told_where_the_api_is_and_no_secret()
    {
        var environment = EnvironmentOf(_stack.Processes.Of("web")[0]);

        Assert.Equal(_stack.ApiAddress, new Uri(environment["services__api__http__0"]));
        Assert.Equal(_stack.WebAddress, new Uri(environment["ASPNETCORE_URLS"]));
        Assert.Equal(_stack.KeyFile, environment["AIBACKEND_DEV_KEY_FILE"]);
        Assert.DoesNotContain(environment.Keys, name => name.StartsWith("ConnectionStrings__", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_killed_worker_is_replaced_by_another_process()
    {
        var killed = _stack.KillWorker(replica: 1);

        var next = await _stack.Processes.WaitForRestartAsync("worker", killed, replica: 1, TestRun.Cancel);

        Assert.NotEqual(killed, next);
        Assert.False(Directory.Exists($"/proc/{killed}"), $"{killed} is still there");
    }

    private static Dictionary<string, string> EnvironmentOf(ResourceProcess process) =>
        File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}/environ"))
            .Split('\0', StringSplitOptions.RemoveEmptyEntries)
            .Select(entry => entry.Split('=', 2))
            .ToDictionary(entry => entry[0], entry => entry[1]);
}
