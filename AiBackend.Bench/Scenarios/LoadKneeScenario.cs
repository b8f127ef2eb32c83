using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>load knee</c>, L-2: more and more load until no more of it is done; then half as much again as that, for long; then little.</summary>
internal static class LoadKneeScenario
{
    private const int Slots = 64;
    private const double Speed = 10;

    // Short work goes first, so that in the end it is long jobs that wait: some five seconds of them.
    private const int MaxQueued = 150;
    private const double Raise = 1.25;

    // Of the jobs of a step so many wait at its end, or were refused: more comes than is done.
    private const double Grows = 0.05;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        var (step, hold) = options.Full
            ? (TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(10))
            : (TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(10));
        await using var run = await LoadRun.StartAsync(options, Slots, MaxQueued, cancellationToken);
        var mix = new JobMix(longest: 20, Speed);
        var ideal = Slots / mix.Mean;
        var quiet = await run.SendAsync(mix, ideal / 2, step, cancellationToken);
        var phases = new List<(double Rate, LoadPhase Phase)>();
        for (var rate = ideal / 2; rate < 3 * ideal; rate *= Raise)
        {
            var phase = await run.SendAsync(mix, rate, step, cancellationToken);
            phases.Add((rate, phase));
            var left = phase.Answers.Count(answer => answer.Id is null) + await run.CountWaitingAsync(cancellationToken);
            if (left > Grows * phase.Answers.Count)
            {
                break;
            }
        }

        var knee = phases[^1].Rate / Raise;
        var held = await run.SendAsync(mix, 1.5 * knee, hold, cancellationToken);
        var after = await run.SendAsync(mix, ideal / 2, TimeSpan.FromSeconds(options.Full ? 90 : 20), cancellationToken);
        await run.WaitForEndAsync(TimeSpan.FromMinutes(2), cancellationToken);

        var busy = new List<double>();
        foreach (var (_, phase) in phases)
        {
            busy.Add(await run.BusyAsync(phase, cancellationToken));
        }

        var heldBusy = await run.BusyAsync(held, cancellationToken);
        return
        [
            new("aibackend", "knee", "jobs/s", knee),
            new("aibackend", "slots that did work, most", "", busy.Max()),
            new("aibackend", "slots that did work, at 1.5 times the knee", "", heldBusy),
            new("aibackend", "goodput at 1.5 times the knee to the most", "", heldBusy / busy.Max()) { AtLeast = 0.9 },
            .. await LoadRecovery.DescribeAsync(run, quiet, after, MaxQueued * mix.Mean / Slots, cancellationToken),
            .. await run.DescribeAsync(cancellationToken),
        ];
    }
}
