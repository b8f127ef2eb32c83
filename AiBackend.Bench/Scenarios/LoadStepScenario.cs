using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>load step</c>, L-1: half, once, twice and three times the expected load, one after the other.</summary>
internal static class LoadStepScenario
{
    // Three times the expected load runs at once: what is tried is the system, and not what happens without slots.
    private const int Slots = 300;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var (length, longest) = options.Full ? (TimeSpan.FromMinutes(5), 20.0) : (TimeSpan.FromSeconds(7), 4.0);
        await using var run = await LoadRun.StartAsync(options, Slots, maxQueued: 100_000, cancellationToken);
        var mix = new JobMix(longest, speed: 1);
        var phases = new Dictionary<double, LoadPhase>();
        foreach (var times in new[] { 0.5, 1, 2, 3 })
        {
            phases[times] = await run.SendAsync(mix, times * JobMix.Expected, length, cancellationToken);
        }

        await run.WaitForEndAsync(TimeSpan.FromMinutes(2), cancellationToken);
        var measured = new List<Measurement>();
        var fast = new Dictionary<double, double>();
        foreach (var (times, phase) in phases)
        {
            fast[times] = (await run.EndToEndAsync(phase, cancellationToken)).At(0.95);
            var name = string.Create(CultureInfo.InvariantCulture, $"{times} E: ");
            measured.Add(new("aibackend", name + "acknowledgement p50", "ms", phase.Acknowledged.At(0.5)));
            measured.Add(new("aibackend", name + "acknowledgement p99", "ms", phase.Acknowledged.At(0.99)));
            measured.Add(new("aibackend", name + "fast jobs end to end p95", "ms", fast[times]));
        }

        var acknowledged = phases[3].Acknowledged.At(0.99) / phases[1].Acknowledged.At(0.99);
        return
        [
            .. measured,
            new("aibackend", "acknowledgement p99 at 3 E to that at 1 E", "×", acknowledged) { AtMost = 3 },
            new("aibackend", "fast jobs end to end p95 at 2 E to that at 1 E", "×", fast[2] / fast[1]) { AtMost = 2 },
            .. await run.DescribeAsync(cancellationToken),
        ];
    }
}
