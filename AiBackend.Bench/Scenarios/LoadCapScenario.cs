using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>load cap</c>, L-4: as many jobs wait as may, and 64 callers submit more, each as soon as it was refused.</summary>
internal static class LoadCapScenario
{
    private const int Connections = 64;
    private const int MaxQueued = 500;
    private const double MostMilliseconds = 100;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var settings = new StackSettings(WorkerStopped: true)
        {
            ApiVariables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["Backpressure__MaxQueued"] = MaxQueued.ToString(CultureInfo.InvariantCulture),
            },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        var request = Requests.Post(stack.Api, "/api/v1/jobs", stack.Key, Requests.NoopBody);
        await ClosedLoop.RunAsync(stack.Api, Connections, WarmUp, request, cancellationToken);
        var before = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        var load = await ClosedLoop.RunAsync(stack.Api, Connections, options.Duration, request, cancellationToken);
        var accepted = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken) - before;
        var sorted = load.Latencies.Order().ToList();
        return
        [
            new("aibackend", "refused", "1/s", load.Refused / options.Duration.TotalSeconds) { AtLeast = 1 },
            new("aibackend", "refusal p50", "ms", sorted.At(0.5)),
            new("aibackend", "refusal p99", "ms", sorted.At(0.99)) { AtMost = MostMilliseconds },
            new("goal", "refusal p99", "ms", MostMilliseconds),
            new("aibackend", "accepted although full", "jobs", accepted) { AtMost = 0 },
        ];
    }
}
