using System.Globalization;
using System.Net.Http.Headers;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>pressure</c>: more batch work than fits beside interactive jobs that leave their model to us, which become five times as many, more than
/// all slots hold with the usual model; beside the same load where nothing is ever moved.
/// </summary>
internal static class PressureScenario
{
    private const string Adapting = "aibackend";
    private const string Fixed = "nothing moves";
    private const int Slots = 16;
    private const double GoalSeconds = 2;
    private const int Window = 5;

    // With the usual model's second the first is a quarter of the slots, and five times as many are 1.25 times all of them.
    private const double PerSecond = 4;
    private const double Step = 5;
    private const double BatchSeconds = 3;
    private const int Seed = 7;

    private static readonly TimeSpan Before = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan During = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan After = TimeSpan.FromSeconds(150);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var goal = TimeSpan.FromSeconds(GoalSeconds);
        return
        [
            .. await RunAsync(options, Adapting, goal, options.Full ? After : TimeSpan.Zero, cancellationToken),
            // As if there were no goal.
            .. await RunAsync(options, Fixed, TimeSpan.FromMinutes(10), TimeSpan.Zero, cancellationToken),
            .. Windows().Where(window => window >= 30).Select(window => new Measurement("goal", NameOf(window), "ms", GoalSeconds * 1000)),
            new("goal", "batch's slots, least", "%", 10),
        ];
    }

    private static async Task<IEnumerable<Measurement>> RunAsync(
        BenchOptions options,
        string system,
        TimeSpan goal,
        TimeSpan after,
        CancellationToken cancellationToken
    )
    {
        var settings = new StackSettings(Workers: 2, Slots: Slots / 2)
        {
            WithProviders = [("one", "sim-usual"), ("two", "sim-fast")],
            WorkerVariables = new Dictionary<string, string>(StringComparer.Ordinal) { ["Queue__InteractiveGoal"] = goal.ToString() },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        await TeachAsync(stack, "sim-usual", words: 10, cancellationToken);
        await TeachAsync(stack, "sim-fast", words: 3, cancellationToken);
        await MakeRouteAsync(stack, cancellationToken);

        var watch = new PressureWatch(stack);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = watch.RunAsync(over.Token);
        await TimedLoad.SendAsync(stack.Api, Requests(stack.Key, Before + During + after), cancellationToken);
        await over.CancelAsync();
        await watching;
        return await DescribeAsync(stack, watch, system, after > TimeSpan.Zero, cancellationToken);
    }

    private static List<TimedRequest> Requests(string key, TimeSpan length)
    {
        var random = new Random(Seed);
        var (jobs, at) = (new List<TimedRequest>(), 0.0);
        const string Auto =
            """{"type":"chat","model":"auto","priority":"interactive","input":{"messages":[{"role":"user","content":"Hello"}]}}""";
        while (at < length.TotalSeconds)
        {
            jobs.Add(new(TimeSpan.FromSeconds(at), key, Auto));
            var isStep = at >= Before.TotalSeconds && at < (Before + During).TotalSeconds;
            at -= Math.Log(1 - random.NextDouble()) / (isStep ? Step * PerSecond : PerSecond);
        }

        // As much again as all slots could do, and enough at once that there is always some.
        var batch = (int)(length.TotalSeconds * Slots / BatchSeconds) + (2 * Slots);
        for (var i = 0; i < batch; i++)
        {
            var run = (int)((0.5 + random.NextDouble()) * BatchSeconds * 1000);
            var body = string.Create(
                CultureInfo.InvariantCulture,
                $$$"""{"type":"noop","priority":"batch","input":{"milliseconds":{{{run}}}}}"""
            );
            jobs.Add(new(TimeSpan.FromSeconds(Math.Max(0, i - (2 * Slots)) * BatchSeconds / Slots), key, body));
        }

        return [.. jobs.OrderBy(job => job.At)];
    }

    private static async Task<IEnumerable<Measurement>> DescribeAsync(
        BenchStack stack,
        PressureWatch watch,
        string system,
        bool untilAfter,
        CancellationToken cancellationToken
    )
    {
        var waits = await watch.WaitsAsync(Before, cancellationToken);
        var under = watch.Samples.Where(sample => sample.At > Before && sample.At < Before + During).ToList();
        var moved = await stack.ScalarAsync<long>("SELECT count(*) FROM job_attempts WHERE model = 'sim-fast'", cancellationToken);
        var measured = Windows()
            .Select(window => new Measurement(
                system,
                NameOf(window),
                "ms",
                waits
                    .Where(wait => wait.At >= window && wait.At < window + Window)
                    .Select(wait => wait.Milliseconds)
                    .Order()
                    .ToList()
                    .At(0.95)
            ))
            .Append(new(system, "batch's slots, least", "%", 100.0 * under.Min(sample => sample.Batch) / Slots))
            .Append(new(system, "batch's slots, mean", "%", 100.0 * under.Average(sample => sample.Batch) / Slots))
            .Append(new(system, "answers by the faster model", "jobs", moved))
            .Append(new(system, "falls of batch's share", "", PressureWatch.Falls(watch.Samples, sample => sample.BatchShare)))
            .Append(new(system, "falls of the usual model's share", "", PressureWatch.Falls(watch.Samples, sample => sample.UsualShare)));
        return untilAfter
            ? measured
                .Append(new(system, "all on the usual model", "s", watch.BackAt(Before + During)))
                .Append(new(system, "batch's share at the end", "%", watch.Samples[^1].BatchShare * 100))
            : measured;
    }

    private static IEnumerable<int> Windows() =>
        Enumerable.Range(-2, 2 + ((int)During.TotalSeconds / Window)).Select(index => index * Window);

    private static string NameOf(int window) => string.Create(CultureInfo.InvariantCulture, $"wait p95, {window} to {window + Window} s");

    private static Task TeachAsync(BenchStack stack, string model, int words, CancellationToken cancellationToken) =>
        stack.TeachAsync(
            model,
            new(StringComparer.Ordinal)
            {
                ["words"] = words,
                ["ttft_ms"] = 100,
                ["interval_ms"] = 100,
            },
            cancellationToken
        );

    private static async Task MakeRouteAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = stack.Api };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stack.Key);
        using var body = new StringContent(
            """{"targets":[{"provider":"two","model":"sim-fast","when":{"under_pressure":true}},{"provider":"one","model":"sim-usual"}]}""",
            System.Text.Encoding.UTF8,
            "application/json"
        );
        using var made = await http.PutAsync("/api/v1/routes/auto", body, cancellationToken);
        made.EnsureSuccessStatusCode();
    }
}
