using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;

namespace AiBackend.Tests.LocalHost;

/// <summary>What the AppHost describes, before anything is started.</summary>
public sealed class AppHostModelTests
{
    private static readonly string[] Providers =
    [
        "--OPENAI_API_KEY=sk-test",
        "--OPENAI_BASE_URL=http://localhost:1/v1",
        "--OPENAI_MODEL=some-model",
        "--ANTHROPIC_API_KEY=sk-other",
        "--AIBACKEND_PROVIDERS:0:Name=first",
        "--AIBACKEND_PROVIDERS:0:BaseUrl=http://localhost:2/v1",
    ];

    [Theory]
    [InlineData("api")]
    [InlineData("worker")]
    public async Task The_users_providers_reach_what_asks_them(string program)
    {
        await using var builder = await DescribeAsync(Providers);

        var environment = EnvironmentOf(builder, program);

        Assert.Equal("sk-test", environment["OPENAI_API_KEY"]);
        Assert.Equal("http://localhost:1/v1", environment["OPENAI_BASE_URL"]);
        Assert.Equal("some-model", environment["OPENAI_MODEL"]);
        Assert.Equal("sk-other", environment["ANTHROPIC_API_KEY"]);
        Assert.Equal("first", environment["AIBACKEND_PROVIDERS__0__Name"]);
        Assert.Equal("http://localhost:2/v1", environment["AIBACKEND_PROVIDERS__0__BaseUrl"]);
    }

    [Fact]
    public async Task The_migrations_get_the_database_and_no_provider_key()
    {
        await using var builder = await DescribeAsync(Providers);

        var environment = EnvironmentOf(builder, "migrations");

        Assert.Contains("ConnectionStrings__aibackend", environment.Keys);
        Assert.DoesNotContain("OPENAI_API_KEY", environment.Keys);
    }

    [Fact]
    public async Task The_site_which_shows_what_models_write_gets_no_secret()
    {
        await using var builder = await DescribeAsync(Providers);

        var environment = EnvironmentOf(builder, "web");

        Assert.Contains("services__api__http__0", environment.Keys);
        Assert.DoesNotContain(environment.Keys, name => name.StartsWith("ConnectionStrings__", StringComparison.Ordinal));
        Assert.DoesNotContain(environment.Keys, name => name.Contains("API_KEY", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Api_and_web_listen_where_the_papers_say_unless_told_otherwise()
    {
        await using var standard = await DescribeAsync();
        await using var moved = await DescribeAsync("--AIBACKEND_API_PORT=6001", "--AIBACKEND_WEB_PORT=6002");

        Assert.Equal((5080, 5081), (PortOf(standard, "api"), PortOf(standard, "web")));
        Assert.Equal((6001, 6002), (PortOf(moved, "api"), PortOf(moved, "web")));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("http")]
    public async Task A_port_that_is_none_is_refused_with_its_variable(string port)
    {
        var refusal = await Assert.ThrowsAsync<DistributedApplicationException>(() => DescribeAsync($"--AIBACKEND_API_PORT={port}"));

        Assert.Contains($"AIBACKEND_API_PORT is '{port}'", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Programs_wait_for_the_schema_and_the_site_for_the_api()
    {
        await using var builder = await DescribeAsync();

        Assert.All((string[])["api", "worker"], p => Assert.Contains(("migrations", WaitType.ForCompletion), WaitsOf(builder, p)));
        Assert.Contains(("aibackend", WaitType.UntilHealthy), WaitsOf(builder, "migrations"));
        Assert.Contains(("api", WaitType.UntilHealthy), WaitsOf(builder, "web"));
    }

    private static Task<IDistributedApplicationTestingBuilder> DescribeAsync(params string[] args) =>
        DistributedApplicationTestingBuilder.CreateAsync<Projects.AiBackend_AppHost>(args, TestRun.Cancel);

    private static IResource Find(IDistributedApplicationTestingBuilder builder, string name) =>
        builder.Resources.Single(r => r.Name == name);

    private static int? PortOf(IDistributedApplicationTestingBuilder builder, string name) =>
        Assert.Single(Find(builder, name).Endpoints()).Port;

    private static IEnumerable<(string, WaitType)> WaitsOf(IDistributedApplicationTestingBuilder builder, string name) =>
        Find(builder, name).Waits().Select(w => (w.Resource.Name, w.WaitType));

    private static Dictionary<string, object> EnvironmentOf(IDistributedApplicationTestingBuilder builder, string name)
    {
        foreach (var endpoint in builder.Resources.SelectMany(r => r.Endpoints()))
        {
            endpoint.AllocatedPort ??= 1;
        }

        var context = new EnvironmentCallbackContext(builder.ExecutionContext, []);
        foreach (var annotation in Find(builder, name).Annotations.OfType<EnvironmentCallbackAnnotation>())
        {
            annotation.Callback(context);
        }

        return context.EnvironmentVariables;
    }
}
