using System.Collections;
using System.Net.Http.Headers;
using AiBackend.LocalHost;
using AiBackend.Tests.Fixtures;
using Aspire.Hosting;
using Aspire.Hosting.Testing;

namespace AiBackend.Tests.EndToEnd;

/// <summary>
/// The whole application, started through its AppHost on free ports with a state directory of its own. It talks to the simulator
/// whatever the environment of the test run says, unless its arguments name a provider.
/// </summary>
public sealed class Stack : IAsyncDisposable
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

    /// <summary>The processes: pids, kill -9, SIGSTOP and SIGCONT, orderly stop and start of any resource, last lines of output.</summary>
    public ResourceProcesses Processes => _app.Processes();

    /// <param name="args">Arguments of the AppHost, for example <c>--OPENAI_BASE_URL=http://localhost:1234/v1</c>.</param>
    public static async Task<Stack> StartAsync(params string[] args)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(StartPatience);
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
            var lines = string.Join('\n', LinesOf(app, ["host", "migrations", "api", "worker-1", "web"]));
            await app.DisposeAsync();
            throw new InvalidOperationException($"The stack did not start: {e.Message}\n{lines}", e);
        }
    }

    /// <summary>Kills a worker as by <c>kill -9</c>; it is started again at once.</summary>
    /// <returns>Its pid.</returns>
    public int KillWorker(int replica = 0) => Processes.Kill("worker", replica);

    /// <summary>Stops a worker from running at all (SIGSTOP), leases, sockets and all, until <see cref="ThawWorker"/>.</summary>
    public int FreezeWorker(int replica = 0) => Processes.Freeze("worker", replica);

    public int ThawWorker(int replica = 0) => Processes.Thaw("worker", replica);

    /// <summary>Stops Redis in an orderly way and starts it again on the same port with its data.</summary>
    public Task RestartRedisAsync() => Processes.RestartAsync("redis", TestRun.Cancel);

    /// <summary>Stops Postgres in an orderly way and starts it again on the same port with its data.</summary>
    public Task RestartPostgresAsync() => Processes.RestartAsync("postgres", TestRun.Cancel);

    public async ValueTask DisposeAsync()
    {
        foreach (var client in (HttpClient[])[Api, Anonymous, Web, Simulator])
        {
            client.Dispose();
        }

        await _app.DisposeAsync();
    }

    private static bool NamesProvider(string variable) =>
        variable.StartsWith("AIBACKEND_PROVIDERS", StringComparison.OrdinalIgnoreCase)
        || variable is "OPENAI_API_KEY" or "OPENAI_BASE_URL" or "OPENAI_MODEL";

    private static IEnumerable<string> LinesOf(DistributedApplication app, string[] replicas) =>
        from replica in replicas
        from line in app.Processes().LastLines(replica, 15)
        select $"{replica} | {line}";
}
