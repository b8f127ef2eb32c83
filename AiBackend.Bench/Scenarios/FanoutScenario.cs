using System.Diagnostics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>fanout</c>: many readers of each stream of twenty tokens a second; how late tokens arrive and what the Api needs for it, and the same
/// beside 500 readers that take ten bytes a second (F-36).
/// </summary>
/// <remarks>Each token is the time at which the provider wrote it. One reader of each stream looks; the others only take what comes.</remarks>
internal static class FanoutScenario
{
    private const string Model = "sim-fanout";
    private const int Tokens = 300;
    private const int IntervalMs = 50;
    private const int SlowReaders = 500;
    private const int SlowStreams = 10;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(
            options,
            new StackSettings(Slots: options.Streams + SlowStreams),
            cancellationToken
        );
        using var timeUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeUp.CancelAfter(Limit);
        cancellationToken = timeUp.Token;
        await stack.TeachAnyAsync(
            Model,
            new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["stamps"] = true,
                ["output_tokens"] = Tokens,
                ["interval_ms"] = IntervalMs,
                ["ttft_ms"] = 1000,
            },
            cancellationToken
        );
        using var http = new HttpClient(
            new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, PooledConnectionLifetime = Timeout.InfiniteTimeSpan }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        http.DefaultRequestHeaders.Authorization = new("Bearer", stack.Key);
        var readers = new LiveReaders(http, stack.Api);

        // Warm, and with the connections of all.
        await ReadAsync(readers, options, cancellationToken);
        var alone = await MeasureAsync(stack, readers, options, cancellationToken);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var (slow, crawling) = await CrawlAsync(readers, end.Token);
        var beside = await MeasureAsync(stack, readers, options, cancellationToken);
        var stayed = slow.Count(each => !each.IsCompleted);
        await end.CancelAsync();
        await Task.WhenAll(slow);
        return
        [
            .. Describe("aibackend", alone, options),
            .. Describe("beside 500 slow readers", beside, options),
            new("beside 500 slow readers", "slow readers that came", "", crawling),
            new("beside 500 slow readers", "slow readers still there", "", stayed),
            new("goal", "delivery lag p99", "ms", 2000),
            new("goal", "Api memory", "MiB", 1024),
        ];
    }

    private static IEnumerable<Measurement> Describe(string system, Fanout fanout, BenchOptions options) =>
        [
            .. fanout.Reads.SelectMany(read => read.Lags).Describe(system, "delivery lag"),
            new(system, "delivery lag p95", "ms", fanout.Reads.SelectMany(read => read.Lags).Order().ToList().At(0.95)),
            new(system, "tokens missing", "tokens", fanout.Reads.Sum(read => Tokens - read.Lags.Count)),
            new(system, "readers", "", options.Streams * options.Readers),
            new(system, "Api memory", "MiB", fanout.Megabytes),
            new(system, "Api CPU", "cores", fanout.Cores),
        ];

    private static async Task<Fanout> MeasureAsync(
        BenchStack stack,
        LiveReaders readers,
        BenchOptions options,
        CancellationToken cancellationToken
    )
    {
        var before = stack.UsageOf("api").Cpu;
        var watch = Stopwatch.StartNew();
        var reads = await ReadAsync(readers, options, cancellationToken);
        var after = stack.UsageOf("api");
        return new(reads, after.ResidentMegabytes, (after.Cpu - before) / watch.Elapsed);
    }

    private static async Task<LiveRead[]> ReadAsync(LiveReaders readers, BenchOptions options, CancellationToken cancellationToken) =>
        await LiveReaders.RunAsync(
            options.Streams,
            async () =>
            {
                var job = await readers.SubmitAsync(Model, cancellationToken);
                var others = Enumerable.Range(1, options.Readers - 1).Select(_ => readers.DrainAsync(job, cancellationToken)).ToList();
                var read = await readers.FollowAsync(job, cancellationToken);
                await Task.WhenAll(others);
                return read;
            },
            cancellationToken
        );

    /// <returns>Tasks that end when the readers have stopped, and how many readers the Api let in.</returns>
    private static async Task<(List<Task> Readers, int Opened)> CrawlAsync(LiveReaders readers, CancellationToken cancellationToken)
    {
        var jobs = new List<Job>();
        for (var i = 0; i < SlowStreams; i++)
        {
            jobs.Add(await readers.SubmitAsync(Model, cancellationToken));
        }

        var opened = await Task.WhenAll(
            Enumerable.Range(0, SlowReaders).Select(i => readers.OpenAsync(jobs[i % SlowStreams], cancellationToken))
        );
        return ([.. opened.Select(response => LiveReaders.CrawlAsync(response, cancellationToken))], opened.Length);
    }

    /// <param name="Reads">What the readers that look saw.</param>
    /// <param name="Megabytes">Of the Api, at the end.</param>
    /// <param name="Cores">That the Api used.</param>
    private sealed record Fanout(IReadOnlyList<LiveRead> Reads, double Megabytes, double Cores);
}
