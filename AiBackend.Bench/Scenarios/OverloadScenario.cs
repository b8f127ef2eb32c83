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
    private const int DefaultJobs = 5_000;
    private const int Words = 20;
    private const int IntervalMs = 80;
    private const int FirstMs = 400;
    private const string CountSql = "SELECT count(*) FROM jobs";

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
        var alone = await CallAsync(jobs / 8 / AtOnce * AtOnce, AtOnce, direct.AskAsync, () => { }, cancellationToken);
        var capacity = alone.Right / alone.Seconds;
        var plain = await CallAsync(jobs, Callers, direct.AskAsync, () => stack.Kill(BenchStack.DirectName), cancellationToken);

        using var patient = new PatientCaller(stack.Api, stack.Key, Model);
        // As the endpoint has done while it was measured alone.
        await Backlog.WarmUpAsync(() => CallAsync(Callers, Callers, patient.AskAsync, () => { }, cancellationToken));
        var before = await stack.ScalarAsync<long>(CountSql, cancellationToken);
        var queued = await CallAsync(
            jobs,
            Callers,
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
            .. Describe("aibackend", queued, jobs, capacity),
            new("aibackend", "duplicates", "jobs", await stack.ScalarAsync<long>(CountSql, cancellationToken) - before - jobs)
            {
                AtMost = 0,
            },
            new("aibackend", "wrong", "jobs", wrong) { AtMost = 0 },
            new("aibackend", "without a right answer", "jobs", jobs - queued.Right) { AtMost = 0 },
            .. Describe("endpoint", plain, jobs, capacity),
            new("as many callers as it takes", "calls", "1/s", capacity),
            new("as many callers as it takes", "share of the provider's capacity", "", 1),
            new("goal", "right answers", "", 1),
            new("goal", "share of the provider's capacity", "", 0.95),
        ];
    }

    /// <param name="system">What was measured.</param>
    /// <param name="result">What it did.</param>
    /// <param name="jobs">What it should have done.</param>
    /// <param name="capacity">Calls a second that just as many callers get as the provider takes at once: on this machine, in this minute.</param>
    private static IEnumerable<Measurement> Describe(string system, Outcome result, int jobs, double capacity) =>
        [
            new(system, "right answers", "", result.Right / (double)jobs),
            new(system, "share of the provider's capacity", "", result.Right / result.Seconds / capacity),
            new(system, "calls", "1/s", result.Right / result.Seconds),
            new(system, "wall", "s", result.Seconds),
        ];

    /// <summary>Every caller asks for one piece of work after another; in the middle of all of it something is killed.</summary>
    private static async Task<Outcome> CallAsync(
        int jobs,
        int callers,
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
            new ParallelOptions { MaxDegreeOfParallelism = callers, CancellationToken = cancellationToken },
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
        return new(right, watch.Elapsed.TotalSeconds);
    }

    /// <param name="Right">Right answers.</param>
    /// <param name="Seconds">That all took.</param>
    private readonly record struct Outcome(int Right, double Seconds);
}
