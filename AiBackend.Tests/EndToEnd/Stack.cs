using System.Collections;
using System.Net.Http.Headers;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.Testing;

namespace AiBackend.Tests.EndToEnd;

/// <summary>
/// The whole application, started through its AppHost on free ports with a state directory of its own. It talks to the simulator
/// whatever the environment of the test run says, unless its arguments name a provider.
/// </summary>
public sealed partial class Stack : IAsyncDisposable
{
    public const int WorkerCount = 2;

    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(120);
    private static readonly string[] Programs = ["api", "worker", "web"];

    private readonly DistributedApplication _app;

    static Stack()
    {
        // A key in the developer's shell must not send test traffic to a provider that costs money.
        foreach (var name in Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(e => (string)e.Key).Where(NamesProvider))
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    private Stack(DistributedApplication app, string stateDirectory, string postgres, string redis)
    {
        _app = app;
        StateDirectory = stateDirectory;
        Postgres = postgres;
        Redis = redis;
        Anonymous = app.CreateHttpClient("api");
        Api = app.CreateHttpClient("api");
        Web = app.CreateHttpClient("web");
        Simulator = app.CreateHttpClient("simulator");
        if (File.Exists(KeyFile))
        {
            Api.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
        }
    }

    /// <summary>Calls the API with the development key.</summary>
    public HttpClient Api { get; }

    /// <summary>Calls the API without a key.</summary>
    public HttpClient Anonymous { get; }

    public HttpClient Web { get; }

    public HttpClient Simulator { get; }

    public Uri ApiAddress => Api.BaseAddress!;

    public Uri WebAddress => Web.BaseAddress!;

    public Uri SimulatorAddress => Simulator.BaseAddress!;

    public string StateDirectory { get; }

    public string KeyFile => Path.Combine(StateDirectory, "dev-api-key");

    /// <summary>The development key.</summary>
    public string Key => File.ReadAllText(KeyFile).Trim();

    /// <summary>Connection string of the application's database.</summary>
    public string Postgres { get; }

    /// <summary>Connection string of Redis.</summary>
    public string Redis { get; }

    /// <param name="args">Arguments of the AppHost, for example <c>--OPENAI_BASE_URL=http://localhost:1234/v1</c>.</param>
    public static async Task<Stack> StartAsync(params string[] args)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(StartPatience);
#if REAL_ASPIRE
        // The local host makes one by itself, and removes it.
        args = [$"--AIBACKEND_STATE_DIR={TestFolder.Create("stack")}", .. args];
#endif
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.AiBackend_AppHost>(args, patience.Token);
        var stateDirectory = builder.Configuration["AIBACKEND_STATE_DIR"]!;
        var app = await builder.BuildAsync(patience.Token);
        try
        {
            await app.StartAsync(patience.Token);
            await Task.WhenAll(Programs.Select(p => app.ResourceNotifications.WaitForResourceHealthyAsync(p, patience.Token)));
            var postgres = await app.GetConnectionStringAsync("aibackend", patience.Token);
            var redis = await app.GetConnectionStringAsync("redis", patience.Token);
            return new(app, stateDirectory, postgres!, redis!);
        }
        catch (Exception e)
        {
            var lines = "";
            DescribeFailure(app, ref lines);
            await app.DisposeAsync();
            throw new InvalidOperationException($"The stack did not start: {e.Message}\n{lines}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in (HttpClient[])[Api, Anonymous, Web, Simulator])
        {
            client.Dispose();
        }

        await _app.DisposeAsync();
    }

    static partial void DescribeFailure(DistributedApplication app, ref string lines);

    private static bool NamesProvider(string variable) =>
        variable.StartsWith("AIBACKEND_PROVIDERS", StringComparison.OrdinalIgnoreCase)
        || variable
            is "OPENAI_API_KEY"
                or "OPENAI_BASE_URL"
                or "OPENAI_MODEL"
                or "ANTHROPIC_API_KEY"
                or "ANTHROPIC_BASE_URL"
                or "ANTHROPIC_MODEL";
}
