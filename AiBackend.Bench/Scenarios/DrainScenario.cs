using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>drain</c>: no-op jobs queued before the worker may begin; outcomes recorded per second, each fenced and with three events.</summary>
internal static class DrainScenario
{
    private const int DefaultJobs = 20_000;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var jobs = options.Jobs > 0 ? options.Jobs : DefaultJobs;
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(), cancellationToken);
        await Backlog.WarmUpAsync(() => RowByRowQueue.DrainPerSecondAsync(stack, cancellationToken));
        var baseline = await RowByRowQueue.DrainPerSecondAsync(stack, cancellationToken);
        var result = await Backlog.WorkOffWarmAsync(stack, jobs, Requests.NoopBody, TimeSpan.FromMinutes(2), cancellationToken);
        return
        [
            new("aibackend", "recorded", "jobs/s", jobs / result.Seconds),
            new("row by row", "recorded", "jobs/s", baseline),
            new("aibackend", "wrong", "jobs", result.Wrong),
            new("aibackend", "worker memory", "MiB", result.Worker.ResidentMegabytes),
        ];
    }
}
