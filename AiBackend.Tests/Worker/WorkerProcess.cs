using System.Globalization;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Providers;

namespace AiBackend.Tests.Worker;

/// <summary>A worker as the process it is in service: it can be killed, and it starts processes of its own.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private readonly ChildProcess _process;

    /// <summary>
    /// For tests that wait until a killed worker's lease is over. What runs keeps its lease also on a machine that now and then stops for seconds: a lease
    /// that is over counts as a crash.
    /// </summary>
    public static readonly (string Key, string Value)[] ShortLeases =
    [
        ("Worker__LeaseDuration", "00:00:06"),
        ("Worker__RenewalInterval", "00:00:00.500"),
        ("Worker__LeaseSafetyMargin", "00:00:00.500"),
    ];

    /// <summary>What the first provider's model costs: a dollar for a million tokens in, two out.</summary>
    public static IEnumerable<(string Key, string Value)> PricesOf(string model) =>
        [
            ("Money__Prices__0__Provider", "p0"),
            ("Money__Prices__0__Model", model),
            ("Money__Prices__0__Input", "1"),
            ("Money__Prices__0__Output", "2"),
        ];

    private WorkerProcess(ChildProcess process) => _process = process;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    public string Output => _process.Output;

    /// <param name="database">Where Postgres is.</param>
    /// <param name="redis">Where Redis is.</param>
    /// <param name="provider">The provider p0 and the model it is asked for on the route <c>default</c>.</param>
    /// <param name="settings">Variables, with two underscores between levels.</param>
    public static Task<WorkerProcess> StartAsync(
        TestDatabase database,
        RedisServer redis,
        (Uri Address, string Model) provider,
        params IEnumerable<(string Key, string Value)> settings
    ) => StartAsync(database, redis, provider, output: null, settings);

    /// <inheritdoc cref="StartAsync(TestDatabase, RedisServer, ValueTuple{Uri, string}, IEnumerable{ValueTuple{string, string}})"/>
    /// <param name="output">A file for all it writes, instead of <see cref="Output"/>.</param>
    public static async Task<WorkerProcess> StartAsync(
        TestDatabase database,
        RedisServer redis,
        (Uri Address, string Model) provider,
        string? output,
        params IEnumerable<(string Key, string Value)> settings
    )
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["DOTNET_ENVIRONMENT"] = "Development",
            ["ConnectionStrings__aibackend"] = database.ConnectionString,
            ["ConnectionStrings__redis"] = redis.ConnectionString,
            // As for a worker in this process (CoreHost).
            ["Retention__WeeksAhead"] = "1",
        };
        foreach (var (name, value) in ProviderHost.Entries([provider.Address], _ => provider.Model))
        {
            variables[name] = value;
        }

        foreach (var (name, value) in settings)
        {
            variables[name] = value;
        }

        // As every supervisor starts it: at the head of a group of its own.
        string[] command = [TestRun.Require("dotnet"), Binary];
        string[] redirected = output is null ? [] : [TestRun.Require("sh"), "-c", $"exec \"$@\" > {output} 2>&1", "sh"];
        return new(await ChildProcess.StartAsync(TestRun.Require("setsid"), [.. redirected, .. command], environment: variables));
    }

    /// <summary>The process that a worker's name in heartbeats and traces stands for.</summary>
    public static int IdOf(string workerName) =>
        int.Parse(workerName[(workerName.IndexOf('/', StringComparison.Ordinal) + 1)..].Split(' ')[0], CultureInfo.InvariantCulture);

    public static bool Lives(int processId) => Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}"));

    public void Signal(Signal signal) => _process.Signal(signal);

    /// <summary>Kills it with all it started that did not stand apart, as supervisors do.</summary>
    public Task KillGroupAsync() =>
        ChildProcess.RunAsync(TestRun.Require("kill"), ["-KILL", "--", string.Create(CultureInfo.InvariantCulture, $"-{Id}")]);

    public Task WaitForExitAsync() => _process.WaitForExitAsync(TestRun.Cancel);

    public void Dispose() => _process.Dispose();

    /// <summary>Built like the tests themselves, beside them.</summary>
    public static string Binary
    {
        get
        {
            var configuration = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";
            return Repository.Full($"AiBackend.Worker/bin/{configuration}/net10.0/AiBackend.Worker.dll");
        }
    }
}
