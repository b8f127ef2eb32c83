using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>scheduler</c>: 80 % of the jobs run for 0.2 s, 20 % for 8 s; Poisson arrivals at 90 % of 8 slots. Only a
/// feature hints at the length, right nine times in ten. Beside it the same jobs on ideal slots, in order and by an oracle.
/// </summary>
internal static class SchedulerScenario
{
    private const int Slots = 8;
    private const double Short = 0.2;
    private const double Long = 8;
    private const double Load = 0.9;
    private const int DefaultJobs = 1_500;
    private const int Learned = 150;
    private const int Seed = 20;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var settings = new StackSettings(Slots: Slots)
        {
            WorkerVariables = new Dictionary<string, string>(StringComparer.Ordinal) { ["Queue__AgeUpAfter"] = AgeBound.ToString() },
        };
        await using var stack = await BenchStack.StartAsync(options, settings, cancellationToken);
        var random = new Random(Seed);
        // What is known of earlier jobs; and the leader learns every 5 s.
        await SubmitAsync(stack, Trace(random, Learned, Load / 2), random, cancellationToken);
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", Learned, TimeSpan.FromMinutes(2), cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(8), cancellationToken);

        var trace = Trace(random, options.Jobs > 0 ? options.Jobs : DefaultJobs, Load);
        var sent = await SubmitAsync(stack, trace, random, cancellationToken);
        await stack.WaitUntilAsync(
            "SELECT count(*) FROM jobs WHERE status >= 6",
            Learned + sent.Length,
            TimeSpan.FromMinutes(4),
            cancellationToken
        );
        var ends = await ReadAsync(stack, "finished_at", cancellationToken);
        var starts = await ReadAsync(stack, "started_at", cancellationToken);
        var latencies = sent.Select(job => (ends[job.Id] - job.SentAt).TotalSeconds).ToList();
        var fifo = SlotSimulation.Fifo(trace, Slots);
        var oracle = SlotSimulation.Oracle(trace, Slots, longFrom: (Short + Long) / 2);
        return
        [
            .. Describe("aibackend", latencies, fifo, oracle),
            .. Describe("in order", fifo, fifo, oracle),
            .. Describe("oracle", oracle, fifo, oracle),
            new("aibackend", "longest wait", "ms", sent.Max(job => (starts[job.Id] - job.SentAt).TotalMilliseconds))
            {
                AtMost = AgeBound.TotalMilliseconds * 2,
            },
            new("in order", "longest wait", "ms", fifo.Zip(trace, (latency, job) => latency - job.Run).Max() * 1000),
            new("goal", "longest wait", "ms", AgeBound.TotalMilliseconds * 2),
        ];
    }

    private static TimeSpan AgeBound => TimeSpan.FromMinutes(5);

    private static IEnumerable<Measurement> Describe(string system, List<double> latencies, List<double> fifo, List<double> oracle)
    {
        var sorted = latencies.Order().ToList();
        yield return new(system, "latency p50", "ms", sorted.At(0.5) * 1000);
        yield return new(system, "latency p95", "ms", sorted.At(0.95) * 1000);
        yield return new(system, "latency mean", "ms", sorted.Average() * 1000);
        yield return new(system, "p50, times better than in order", "", fifo.Order().ToList().At(0.5) / sorted.At(0.5));
        yield return new(system, "mean to the oracle's", "", sorted.Average() / oracle.Average());
        yield return new(system, "p95 to that in order", "", sorted.At(0.95) / fifo.Order().ToList().At(0.95));
    }

    private static List<TracedJob> Trace(Random random, int count, double load)
    {
        var perSecond = load * Slots / ((0.8 * Short) + (0.2 * Long));
        var (jobs, at) = (new List<TracedJob>(count), 0.0);
        for (var i = 0; i < count; i++)
        {
            at -= Math.Log(1 - random.NextDouble()) / perSecond;
            jobs.Add(new(at, random.NextDouble() < 0.8 ? Short : Long));
        }

        return jobs;
    }

    private static Task<SentJob[]> SubmitAsync(
        BenchStack stack,
        List<TracedJob> trace,
        Random random,
        CancellationToken cancellationToken
    ) =>
        TimedLoad.SendAsync(
            stack.Api,
            trace.ConvertAll(job =>
            {
                var hint = (job.Run < Long) == (random.NextDouble() < 0.9) ? "quick" : "thorough";
                var body = string.Create(
                    CultureInfo.InvariantCulture,
                    $$$"""{"type":"noop","feature":"{{{hint}}}","input":{"milliseconds":{{{(int)(job.Run * 1000)}}}}}"""
                );
                return new TimedRequest(TimeSpan.FromSeconds(job.At), stack.Key, body);
            }),
            cancellationToken
        );

    private static async Task<Dictionary<Guid, DateTimeOffset>> ReadAsync(
        BenchStack stack,
        string column,
        CancellationToken cancellationToken
    )
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = stack.Database.CreateCommand($"SELECT id, {column} FROM jobs");
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var moments = new Dictionary<Guid, DateTimeOffset>();
        while (await reader.ReadAsync(cancellationToken))
        {
            moments[reader.GetGuid(0)] = await reader.GetFieldValueAsync<DateTimeOffset>(1, cancellationToken);
        }

        return moments;
    }
}
