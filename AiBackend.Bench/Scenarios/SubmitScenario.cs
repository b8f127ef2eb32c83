using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>submit</c>: how fast jobs are accepted durably, beside an endpoint that stores nothing.</summary>
internal static class SubmitScenario
{
    private const int Connections = 64;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(8);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(WorkerStopped: true), cancellationToken);
        var floor = await LoadAsync(stack.Direct, "/ack", TimeSpan.FromSeconds(2), options.Duration / 2);
        var submit = await LoadAsync(stack.Api, "/api/v1/jobs", WarmUp, options.Duration);
        var stored = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        return
        [
            new("aibackend", "acknowledged", "1/s", submit.PerSecond),
            .. submit.Latencies.Describe("aibackend", "acknowledgement"),
            new("aibackend", "refused", "answers", submit.Refused),
            new("aibackend", "stored", "jobs", stored),
            new("aibackend", "Api memory", "MiB", stack.UsageOf("api").ResidentMegabytes),
            new("no storage", "acknowledged", "1/s", floor.PerSecond),
            .. floor.Latencies.Describe("no storage", "acknowledgement"),
        ];

        async Task<LoadResult> LoadAsync(Uri address, string path, TimeSpan warmUp, TimeSpan duration)
        {
            var request = Requests.Post(address, path, stack.Key, Requests.NoopBody);
            await ClosedLoop.RunAsync(address, Connections, warmUp, request, cancellationToken);
            await stack.AnalyzeAsync(cancellationToken);
            return await ClosedLoop.RunAsync(address, Connections, duration, request, cancellationToken);
        }
    }
}
