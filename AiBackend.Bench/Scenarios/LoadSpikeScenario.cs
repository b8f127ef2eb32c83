using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>load spike</c>, L-3: ten times the expected load out of nothing, and gone again.</summary>
internal static class LoadSpikeScenario
{
    // Half as many again as the expected load needs.
    private const double Room = 1.5;
    private const int MaxQueued = 300;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var (spike, longest) = options.Full ? (TimeSpan.FromSeconds(30), 20.0) : (TimeSpan.FromSeconds(8), 4.0);
        var mix = new JobMix(longest, speed: 1);
        var slots = (int)(Room * JobMix.Expected * mix.Mean);
        await using var run = await LoadRun.StartAsync(options, slots, MaxQueued, cancellationToken);
        var quiet = await run.SendAsync(mix, JobMix.Expected / 2, TimeSpan.FromSeconds(options.Full ? 30 : 6), cancellationToken);
        var peak = await run.SendAsync(mix, 10 * JobMix.Expected, spike, cancellationToken);
        var after = await run.SendAsync(mix, JobMix.Expected / 2, TimeSpan.FromSeconds(options.Full ? 90 : 20), cancellationToken);
        await run.WaitForEndAsync(TimeSpan.FromMinutes(2), cancellationToken);

        var busy = await run.BusyAsync(peak, cancellationToken);
        return
        [
            new("aibackend", "acknowledgement p99 in the spike", "ms", peak.Acknowledged.At(0.99)),
            new("aibackend", "goodput in the spike to all slots", "", busy / (slots / 2 * 2)) { AtLeast = 0.9 },
            .. await LoadRecovery.DescribeAsync(run, quiet, after, MaxQueued * mix.Mean / slots, cancellationToken),
            .. await run.DescribeAsync(cancellationToken),
        ];
    }
}
