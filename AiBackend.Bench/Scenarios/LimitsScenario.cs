using System.Globalization;
using System.Text.Json;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>limits</c>: thousands of jobs against 10 000 tokens a minute, the minute being 10 s unless told otherwise, on three workers: by the provider's own log.</summary>
internal static class LimitsScenario
{
    private const int DefaultJobs = 2_000;
    private const int Tokens = 10_000;
    private const int Words = 35;

    // L-5; the goals are stricter.
    private const double LeastShare = 0.9;
    private const double MostTokens = 1.1 * Tokens;

    // Of very many jobs small ones: so they take minutes, at a speed at which the time to send a call does not weigh.
    private const int Many = 10_000;
    private const int FewWords = 4;
    private const string Model = "sim-limits";

    private const string Body =
        $$$"""{"type":"chat","model":"{{{Model}}}","input":{"messages":[{"role":"user","content":"Go on."}],"max_output_tokens":100}}""";

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var window = TimeSpan.FromSeconds(options.MinuteSeconds);
        var jobs = options.Jobs > 0 ? options.Jobs : DefaultJobs;
        var settings = new StackSettings(Workers: 3, WorkerStopped: true)
        {
            WorkerVariables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["AIBACKEND_PROVIDERS__DEFAULTS__TOKENS_PER_MINUTE"] = Tokens.ToString(CultureInfo.InvariantCulture),
                ["Admission__Window"] = window.ToString(),
            },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        await stack.TeachAsync(Model, jobs > Many ? FewWords : Words, intervalMs: 1, cancellationToken);
        await Backlog.QueueAsync(stack, jobs, Body, cancellationToken);
        var result = await Backlog.WorkOffAsync(stack, jobs, TimeSpan.FromHours(1), cancellationToken);

        var calls = await CallsAsync(stack, cancellationToken);
        var total = calls.Sum(call => call.Tokens);
        // The first window's worth may be used at once.
        var ideal = (total / (double)Tokens - 1) * window.TotalSeconds;
        var seconds = (calls[^1].At - calls[0].At).TotalSeconds;
        return
        [
            new("aibackend", "share of the ideal rate", "", ideal / seconds) { AtLeast = LeastShare },
            new("goal", "share of the ideal rate", "", 0.95),
            new("aibackend", "most tokens in a window", "tokens", MostInAWindow(calls, window)) { AtMost = MostTokens },
            new("goal", "most tokens in a window", "tokens", Tokens),
            new("aibackend", "calls", "calls", calls.Count),
            new("ideal", "calls", "calls", jobs),
            new("aibackend", "attempts for a job", "", await stack.ScalarAsync<double>("SELECT avg(attempt) FROM jobs", cancellationToken)),
            new("aibackend", "wrong", "jobs", result.Wrong) { AtMost = 0 },
        ];
    }

    private static long MostInAWindow(IReadOnlyList<(DateTimeOffset At, long Tokens)> calls, TimeSpan window)
    {
        var (most, sum, first) = (0L, 0L, 0);
        foreach (var (at, tokens) in calls)
        {
            sum += tokens;
            while (at - calls[first].At >= window)
            {
                sum -= calls[first++].Tokens;
            }

            most = Math.Max(most, sum);
        }

        return most;
    }

    /// <summary>What the provider wrote down, in order, with the tokens it counts.</summary>
    private static async Task<IReadOnlyList<(DateTimeOffset At, long Tokens)>> CallsAsync(
        BenchStack stack,
        CancellationToken cancellationToken
    )
    {
        var prompt = await stack.ScalarAsync<long>("SELECT max(input_tokens) FROM job_attempts", cancellationToken);
        using var http = new HttpClient(new SocketsHttpHandler()) { BaseAddress = stack.Simulator };
        using var log = JsonDocument.Parse(await http.GetStringAsync($"/sim/calls?model={Model}", cancellationToken));
        return
        [
            .. log
                .RootElement.GetProperty("data")
                .EnumerateArray()
                .Select(call =>
                    (At: call.GetProperty("received_at").GetDateTimeOffset(), prompt + call.GetProperty("tokens_sent").GetInt64())
                )
                .OrderBy(call => call.At),
        ];
    }
}
