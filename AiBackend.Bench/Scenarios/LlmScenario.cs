using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>llm</c>: streamed model calls, 500 at a time, with the event log written, beside the same calls without any queue.</summary>
internal static class LlmScenario
{
    private const int DefaultJobs = 2_000;
    private const int AtOnce = 500;
    private const string Model = "sim-bench";
    private static readonly TimeSpan OneCall = TimeSpan.FromMilliseconds(200 + 49 * 10);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var jobs = options.Jobs > 0 ? options.Jobs : DefaultJobs;
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(Slots: AtOnce), cancellationToken);
        using var direct = new HttpClient(new SocketsHttpHandler()) { BaseAddress = stack.Direct, Timeout = TimeSpan.FromMinutes(2) };
        var path = string.Create(CultureInfo.InvariantCulture, $"/run?jobs={jobs}&at_once={AtOnce}&model={Model}");
        await Backlog.WarmUpAsync(() => direct.GetStringAsync(path, cancellationToken));
        var floor = double.Parse(await direct.GetStringAsync(path, cancellationToken), CultureInfo.InvariantCulture);

        var result = await Backlog.WorkOffWarmAsync(stack, jobs, Requests.ChatBody(Model), TimeSpan.FromMinutes(2), cancellationToken);
        return
        [
            new("aibackend", "wall", "s", result.Seconds),
            new("aibackend", "wrong", "jobs", result.Wrong),
            new("aibackend", "worker memory", "MiB", result.Worker.ResidentMegabytes),
            new("no queue", "wall", "s", floor),
            new("no queue", "worker memory", "MiB", stack.UsageOf("direct").ResidentMegabytes),
            new("ideal", "wall", "s", Math.Ceiling(jobs / (double)AtOnce) * OneCall.TotalSeconds),
        ];
    }
}
