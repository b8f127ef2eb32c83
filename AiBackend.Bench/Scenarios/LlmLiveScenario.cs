using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>llm-live</c>: one reader per stream; how late each token arrives, beside an endpoint that streams inline.</summary>
/// <remarks>Each token of the model is the time at which the provider wrote it, so every token tells its own delay.</remarks>
internal static class LlmLiveScenario
{
    private const string Model = "sim-stamps";
    private const int Rounds = 4;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(), cancellationToken);
        using var timeUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeUp.CancelAfter(Limit);
        cancellationToken = timeUp.Token;
        using var http = new HttpClient(
            new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, PooledConnectionLifetime = Timeout.InfiniteTimeSpan }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        http.DefaultRequestHeaders.Authorization = new("Bearer", stack.Key);
        var product = new LiveReaders(http, stack.Api);
        var direct = new LiveReaders(http, stack.Direct);
        await LiveReaders.RunAsync(options.Streams, () => product.ReadJobAsync(Model, cancellationToken), cancellationToken);
        await LiveReaders.RunAsync(options.Streams, () => direct.ReadInlineAsync(Model, cancellationToken), cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);

        var measured = await MeasureAsync(() => product.ReadJobAsync(Model, cancellationToken));
        var baseline = await MeasureAsync(() => direct.ReadInlineAsync(Model, cancellationToken));
        return
        [
            .. measured.SelectMany(read => read.Lags).Describe("aibackend", "delivery lag"),
            .. measured.Select(read => read.FirstLag).Describe("aibackend", "first token lag"),
            .. measured.Select(read => read.FirstAfter).Describe("aibackend", "submit to first token"),
            new("aibackend", "tokens missing", "tokens", measured.Sum(read => 50 - read.Lags.Count)),
            new("aibackend", "Api memory", "MiB", stack.UsageOf("api").ResidentMegabytes),
            new("aibackend", "worker memory", "MiB", stack.UsageOf(BenchStack.WorkerName).ResidentMegabytes),
            .. baseline.SelectMany(read => read.Lags).Describe("inline", "delivery lag"),
            .. baseline.Select(read => read.FirstLag).Describe("inline", "first token lag"),
            .. baseline.Select(read => read.FirstAfter).Describe("inline", "submit to first token"),
        ];

        async Task<List<LiveRead>> MeasureAsync(Func<Task<LiveRead>> read)
        {
            var reads = new List<LiveRead>();
            for (var round = 0; round < Rounds; round++)
            {
                reads.AddRange(await LiveReaders.RunAsync(options.Streams, read, cancellationToken));
            }

            return reads;
        }
    }
}
