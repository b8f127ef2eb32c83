using System.Globalization;
using AiBackend.Core.Database;
using AiBackend.LocalHost;
using Aspire.Hosting.Testing;
using Npgsql;

namespace AiBackend.Bench.Stack;

/// <summary>The product's processes and their servers on loopback, started for one measurement and gone afterwards.</summary>
internal sealed class BenchStack : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromMinutes(1);

    public const string WorkerName = "worker";
    public const string DirectName = "direct";

    private readonly DistributedApplication _app;
    private readonly BorrowedServer? _borrowed;

    private BenchStack(DistributedApplication app, BorrowedServer? borrowed, string database, string key)
    {
        _app = app;
        _borrowed = borrowed;
        Key = key;
        Database = NpgsqlDataSource.Create(database);
        HotPath = DatabaseRegistration.Open($"{database};Options=\"-c plan_cache_mode=force_generic_plan\"");
    }

    public Uri Api => _app.GetEndpoint("api");

    public Uri Simulator => _app.GetEndpoint("simulator");

    public Uri Direct => _app.GetEndpoint(DirectName);

    public string Key { get; }

    public NpgsqlDataSource Database { get; }

    /// <summary>As programs have it for what every job pays: planned once.</summary>
    public NpgsqlDataSource HotPath { get; }

    /// <summary>Starts everything; the worker is stopped again when the measurement begins without one.</summary>
    public static async Task<BenchStack> StartAsync(BenchOptions options, StackSettings settings, CancellationToken cancellationToken)
    {
        // What a killed bench left behind would run beside this measurement.
        await TemporaryState.SweepAsync(cancellationToken);
        var borrowed = options.Postgres is { } server ? await BorrowedServer.CreateAsync(server, cancellationToken) : null;
        options = options with { Postgres = borrowed?.ConnectionString };
        var state = TemporaryState.NewPath();
        var builder = DistributedApplication.CreateBuilder([
            $"--AIBACKEND_STATE_DIR={state}",
            "--DcpPublisher:RandomizePorts=true",
            "--AiBackend:LocalHost:Console=false",
        ]);
        var keyFile = Path.Combine(state, "dev-api-key");
        BenchTopology.Describe(builder, options, settings, keyFile);
        var app = builder.Build();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StartPatience);
        try
        {
            await app.StartAsync(patience.Token);
            await WaitUntilHealthyAsync(app, settings, patience.Token);
        }
        catch (OperationCanceledException timeUp) when (!cancellationToken.IsCancellationRequested)
        {
            await app.StopAsync(CancellationToken.None);
            throw new TimeoutException($"Not everything was healthy after {StartPatience}. Logs: {state}/logs", timeUp);
        }

        var database = options.Postgres ?? (await app.GetConnectionStringAsync("aibackend", cancellationToken))!;
        var stack = new BenchStack(app, borrowed, database, (await File.ReadAllTextAsync(keyFile, cancellationToken)).Trim());
        if (settings.WorkerStopped)
        {
            await stack.StopWorkerAsync(cancellationToken);
        }

        return stack;
    }

    private static async Task WaitUntilHealthyAsync(DistributedApplication app, StackSettings settings, CancellationToken cancellationToken)
    {
        foreach (var name in new[] { "api", DirectName, WorkerName, "simulator" }.Concat(settings.WithWeb ? ["web"] : []))
        {
            await app.ResourceNotifications.WaitForResourceHealthyAsync(name, cancellationToken);
        }
    }

    public Task StopWorkerAsync(CancellationToken cancellationToken) => _app.Processes().StopAsync(WorkerName, cancellationToken);

    public Task StartWorkerAsync(CancellationToken cancellationToken) => _app.Processes().StartAsync(WorkerName, cancellationToken);

    /// <summary>Kills a process as by <c>kill -9</c>; it is started again at once.</summary>
    /// <returns>Its pid, which is in the name of a worker; null when it was still down from the last time.</returns>
    public int? Kill(string resource, int replica = 0) =>
        _app.Processes().Of(resource)[replica].ProcessId is null ? null : _app.Processes().Kill(resource, replica);

    /// <summary>Teaches the simulator a model that streams so many words.</summary>
    public Task TeachAsync(string model, int words, int intervalMs, CancellationToken cancellationToken) =>
        TeachAsync(
            model,
            new(StringComparer.Ordinal)
            {
                ["words"] = words,
                ["interval_ms"] = intervalMs,
                ["ttft_ms"] = 100,
            },
            cancellationToken
        );

    /// <summary>Teaches the simulator a model with controls that are no numbers.</summary>
    public async Task TeachAnyAsync(string model, IReadOnlyDictionary<string, object> controls, CancellationToken cancellationToken)
    {
        using var http = _app.CreateHttpClient("simulator");
        using var response = await http.PutAsJsonAsync($"/sim/behaviours/{model}", controls, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Teaches the simulator a model with these controls of <c>GET /sim/controls</c>.</summary>
    public async Task TeachAsync(string model, Dictionary<string, int> controls, CancellationToken cancellationToken)
    {
        using var http = _app.CreateHttpClient("simulator");
        using var response = await http.PutAsJsonAsync($"/sim/behaviours/{model}", controls, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>The processes of a resource that live.</summary>
    public IEnumerable<int> ProcessIdsOf(string resource) =>
        _app.Processes().Of(resource).Select(process => process.ProcessId).OfType<int>();

    /// <summary>What the processes of a resource use now.</summary>
    public ProcessUsage UsageOf(string resource) => ProcessUsage.Of(ProcessIdsOf(resource));

    public async Task<T> ScalarAsync<T>(string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants of the scenarios.
        await using var command = Database.CreateCommand(sql);
#pragma warning restore CA2100
        return (T)Convert.ChangeType((await command.ExecuteScalarAsync(cancellationToken))!, typeof(T), CultureInfo.InvariantCulture);
    }

    /// <summary>Polls until a number in the database reaches a goal.</summary>
    public async Task WaitUntilAsync(string sql, long goal, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeUp.CancelAfter(limit);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (await ScalarAsync<long>(sql, timeUp.Token) < goal)
        {
            await timer.WaitForNextTickAsync(timeUp.Token);
        }
    }

    /// <summary>Measures on analysed tables: the planner's choices on fresh ones are not those of production.</summary>
    public async Task AnalyzeAsync(CancellationToken cancellationToken)
    {
        await using var command = Database.CreateCommand("ANALYZE");
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await HotPath.DisposeAsync();
        await Database.DisposeAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
        if (_borrowed is not null)
        {
            await _borrowed.DisposeAsync();
        }
    }
}

/// <summary>How a measurement wants its stack.</summary>
/// <param name="Workers">Worker processes.</param>
/// <param name="Slots">Jobs at once in each.</param>
/// <param name="WorkerStopped">Whether the measurement begins without a worker.</param>
/// <param name="WithWeb">Whether the web site runs too.</param>
internal sealed record StackSettings(int Workers = 1, int Slots = 500, bool WorkerStopped = false, bool WithWeb = false)
{
    /// <summary>Providers to have instead of one simulator: name and model of each. All of them are the simulator.</summary>
    public IReadOnlyList<(string Name, string Model)> WithProviders { get; init; } = [];

    /// <summary>Variables of the Api besides.</summary>
    public IReadOnlyDictionary<string, string> ApiVariables { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Variables of the worker besides.</summary>
    public IReadOnlyDictionary<string, string> WorkerVariables { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
}
