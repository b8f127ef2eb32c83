using System.Diagnostics;
using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>The real Api whose way to Postgres leads through a proxy; the test's own way does not.</summary>
internal sealed class ApiBehindProxy(PostgresServer postgres, RedisServer redis) : ApiServer(postgres, redis)
{
    public FaultProxy Proxy { get; } = FaultProxy.Before(() => postgres.Port);

    public LogCount Log { get; } = new();

    /// <summary>The way through the proxy.</summary>
    public string ProxiedConnectionString => new NpgsqlConnectionStringBuilder(Db.ConnectionString) { Port = Proxy.Port }.ConnectionString;

    protected override IEnumerable<(string Name, string Value)> Settings => [("ConnectionStrings:aibackend", ProxiedConnectionString)];

    public static async Task<ApiBehindProxy> StartAsync(PostgresServer postgres)
    {
        var api = new ApiBehindProxy(postgres, new RedisServer());
        await api.InitializeAsync();
        api.Get<ILoggerFactory>().AddProvider(api.Log);
        return api;
    }

    /// <summary>What readiness says, and how soon.</summary>
    public async Task<(HttpStatusCode Status, string Postgres, string? Cause)> ReadinessAsync(CancellationToken cancellationToken)
    {
        using var response = await Client(null).GetAsync("/health/ready", cancellationToken);
        var report = JsonSerializer.Deserialize(
            await response.Content.ReadAsByteArrayAsync(cancellationToken),
            WireJson.Default.HealthReport
        )!;
        return (response.StatusCode, report.Checks["postgres"], report.Causes?.GetValueOrDefault("postgres"));
    }

    /// <summary>Asks whether the process lives until a task has ended.</summary>
    /// <returns>The longest that an answer took.</returns>
    public async Task<TimeSpan> WatchLifeAsync(Task until)
    {
        var longest = TimeSpan.Zero;
        do
        {
            var watch = Stopwatch.StartNew();
            using var response = await Client(null).GetAsync("/health/live", TestRun.Cancel);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            longest = watch.Elapsed > longest ? watch.Elapsed : longest;
            await Task.WhenAny(until, Task.Delay(50, TestRun.Cancel));
        } while (!until.IsCompleted);

        return longest;
    }

    public static async Task AssertUnavailableAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("/problems/storage-unavailable", (await ReadProblemAsync(response)).Type);
        Assert.NotNull(response.Headers.RetryAfter!.Delta);
        response.Dispose();
    }

    public async ValueTask EndAsync()
    {
        Proxy.Fault = Fault.None;
        await DisposeAsync();
        await Proxy.DisposeAsync();
        Log.Dispose();
    }
}
