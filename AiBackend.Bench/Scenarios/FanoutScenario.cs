using System.Diagnostics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>fanout</c> (L-8): many readers of each stream; how late tokens arrive and what the Api needs for it, and the same beside 500 readers that
/// take ten bytes a second (F-36).
/// </summary>
/// <remarks>
/// Each token is the time at which the provider wrote it. One reader of each stream looks; the others only take what comes. All are there before
/// the first token, so that what is late was not missed.
/// </remarks>
internal static class FanoutScenario
{
    private const string Model = "sim-fanout";
    private const int Seconds = 15;
    private const int SlowReaders = 500;
    private const int SlowStreams = 10;
    private const int FewStreams = 300;
    private const double FewLateMs = 500;
    private const double LateMs = 2000;
    private const double MostKilobytes = 64;
    private const double MostMegabytes = 1024;
    private const double MostSlower = 1.5;
    private static readonly TimeSpan ToOpenOne = TimeSpan.FromMilliseconds(2);
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
        await stack.TeachAnyAsync(Model, Stream(options), cancellationToken);
        using var http = new HttpClient(
            new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, PooledConnectionLifetime = Timeout.InfiniteTimeSpan }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        http.DefaultRequestHeaders.Authorization = new("Bearer", stack.Key);
        var readers = new LiveReaders(http, stack.Api);

        // What a few need is mostly compiled code.
        var few = options with
        {
            Streams = Math.Max(1, options.Streams / 10),
        };
        await ReadAsync(readers, few, cancellationToken);
        var ofFew = stack.UsageOf("api").ResidentMegabytes;
        var alone = await MeasureAsync(stack, readers, options, cancellationToken);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var (slow, crawling) = await CrawlAsync(readers, end.Token);
        var beside = await MeasureAsync(stack, readers, options, cancellationToken);
        var stayed = slow.Count(each => !each.IsCompleted);
        await end.CancelAsync();
        await Task.WhenAll(slow);
        // Thousands of readers fill two cores, mostly to read; then the streams of the slow ones are more than there is room for.
        var isJudged = options.Readers == 1;
        return
        [
            .. Describe("aibackend", alone, options, isJudged: true),
            new(
                "aibackend",
                "Api memory of each more reader",
                "KiB",
                1024 * (alone.Megabytes - ofFew) / ((options.Streams - few.Streams) * options.Readers)
            )
            {
                AtMost = MostKilobytes,
            },
            .. Describe("beside 500 slow readers", beside, options, isJudged),
            new("beside 500 slow readers", "delivery lag p95 to alone", "×", beside.P95 / alone.P95)
            {
                AtMost = isJudged ? MostSlower : null,
            },
            new("beside 500 slow readers", "slow readers that came", "", crawling),
            new("beside 500 slow readers", "slow readers still there", "", stayed),
        ];
    }

    private static Dictionary<string, object> Stream(BenchOptions options) =>
        new(StringComparer.Ordinal)
        {
            ["stamps"] = true,
            ["output_tokens"] = options.Rate * Seconds,
            ["interval_ms"] = 1000 / options.Rate,
            ["ttft_ms"] = 1000 + (int)(options.Streams * options.Readers * ToOpenOne.TotalMilliseconds),
        };

    private static IEnumerable<Measurement> Describe(string system, Fanout fanout, BenchOptions options, bool isJudged) =>
        [
            new(system, "delivery lag p50", "ms", fanout.At(0.5)),
            new(system, "delivery lag p95", "ms", fanout.P95)
            {
                AtMost =
                    !isJudged ? null
                    : options is { Readers: 1, Streams: <= FewStreams } ? FewLateMs
                    : LateMs,
            },
            new(system, "delivery lag p99", "ms", fanout.At(0.99)) { AtMost = isJudged ? LateMs : null },
            new(system, "tokens missing", "tokens", fanout.Reads.Sum(read => (options.Rate * Seconds) - read.Lags.Count)) { AtMost = 0 },
            new(system, "readers", "", options.Streams * options.Readers),
            new(system, "readers there after", "s", fanout.OpenedAfter.TotalSeconds),
            new(system, "Api memory", "MiB", fanout.Megabytes) { AtMost = MostMegabytes },
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
        var begun = Stopwatch.GetTimestamp();
        var reads = await ReadAsync(readers, options, cancellationToken);
        var after = stack.UsageOf("api");
        return new(
            reads,
            after.ResidentMegabytes,
            (after.Cpu - before) / Stopwatch.GetElapsedTime(begun),
            Stopwatch.GetElapsedTime(begun, readers.LastOpenedAt)
        );
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
    /// <param name="OpenedAfter">Until the last of the readers was there.</param>
    private sealed record Fanout(IReadOnlyList<LiveRead> Reads, double Megabytes, double Cores, TimeSpan OpenedAfter)
    {
        private readonly List<double> _lags = [.. Reads.SelectMany(read => read.Lags).Order()];

        public double P95 => At(0.95);

        public double At(double part) => _lags.At(part);
    }
}
