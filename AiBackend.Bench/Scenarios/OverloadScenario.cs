using System.Diagnostics;
using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>overload</c>: ten times the callers that the provider can serve at once, and the processes that serve them are killed in the middle;
/// beside the same load straight against an endpoint that calls the provider and waits.
/// </summary>
internal static class OverloadScenario
{
    private const string Model = "sim-overload";
    private const int AtOnce = 50;
    private const int Callers = 500;
    private const int DefaultJobs = 10_000;
    private const int Words = 20;
    private const int IntervalMs = 20;
    private const int FirstMs = 100;

    private static readonly double OneCall = (FirstMs + ((Words - 1) * IntervalMs)) / 1000d;
    private static readonly string Right = string.Join(
        ' ',
        Enumerable.Range(1, Words).Select(n => string.Create(CultureInfo.InvariantCulture, $"word{n}"))
    );

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var jobs = options.Jobs > 0 ? options.Jobs : DefaultJobs;
        var settings = new StackSettings(Workers: 2, Slots: AtOnce)
        {
            WorkerVariables = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["AIBACKEND_PROVIDERS__DEFAULTS__CONCURRENT_CALLS"] = AtOnce.ToString(CultureInfo.InvariantCulture),
            },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        await stack.TeachAsync(
            Model,
            new(StringComparer.Ordinal)
            {
                ["words"] = Words,
                ["interval_ms"] = IntervalMs,
                ["ttft_ms"] = FirstMs,
                ["max_concurrency"] = AtOnce,
            },
            cancellationToken
        );

        using var direct = new DirectCaller(stack.Direct, Model);
        var plain = await CallAsync(jobs, direct.AskAsync, () => stack.Kill(BenchStack.DirectName), cancellationToken);

        using var patient = new PatientCaller(stack.Api, stack.Key, Model);
        var queued = await CallAsync(
            jobs,
            patient.AskAsync,
            () =>
            {
                stack.Kill(BenchStack.WorkerName);
                stack.Kill("api");
            },
            cancellationToken
        );
        var wrong = await stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken);
        return
        [
            .. Describe("aibackend", queued, jobs),
            new("aibackend", "duplicates", "jobs", await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken) - jobs),
            new("aibackend", "wrong", "jobs", wrong),
            .. Describe("endpoint", plain, jobs),
            new("goal", "right answers", "", 1),
            new("goal", "share of the provider's capacity", "", 0.95),
        ];
    }

    private static IEnumerable<Measurement> Describe(string system, (int Right, double Seconds) result, int jobs) =>
        [
            new(system, "right answers", "", result.Right / (double)jobs),
            new(system, "share of the provider's capacity", "", result.Right * OneCall / AtOnce / result.Seconds),
            new(system, "wall", "s", result.Seconds),
        ];

    /// <summary>Every caller asks for one piece of work after another; in the middle of all of it something is killed.</summary>
    private static async Task<(int Right, double Seconds)> CallAsync(
        int jobs,
        Func<CancellationToken, Task<string?>> ask,
        Action kill,
        CancellationToken cancellationToken
    )
    {
        var (done, right) = (0, 0);
        var watch = Stopwatch.StartNew();
        await Parallel.ForAsync(
            0,
            jobs,
            new ParallelOptions { MaxDegreeOfParallelism = Callers, CancellationToken = cancellationToken },
            async (_, token) =>
            {
                if (await ask(token) == Right)
                {
                    Interlocked.Increment(ref right);
                }

                if (Interlocked.Increment(ref done) == jobs / 2)
                {
                    kill();
                }
            }
        );
        return (right, watch.Elapsed.TotalSeconds);
    }
}
