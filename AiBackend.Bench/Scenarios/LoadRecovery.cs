using AiBackend.Bench.Reporting;

namespace AiBackend.Bench.Scenarios;

/// <summary>What becomes of the line under too much load, and how soon all is as before.</summary>
internal static class LoadRecovery
{
    private static readonly TimeSpan AsGoodAsBefore = TimeSpan.FromMilliseconds(250);

    /// <param name="run">The run.</param>
    /// <param name="quiet">A phase before.</param>
    /// <param name="after">The phase from the end of the load on.</param>
    /// <param name="lineSeconds">How long the longest line takes at best.</param>
    /// <param name="cancellationToken">Ends the reads.</param>
    public static async Task<IReadOnlyList<Measurement>> DescribeAsync(
        LoadRun run,
        LoadPhase quiet,
        LoadPhase after,
        double lineSeconds,
        CancellationToken cancellationToken
    )
    {
        var before = TimeSpan.FromMilliseconds((await run.WaitsAsync(quiet, cancellationToken)).At(0.99));
        var late = await run.LastLateAsync(after, before > AsGoodAsBefore ? before : AsGoodAsBefore, cancellationToken);
        var refused = run
            .Answers.Where(answer => answer.Refusal is not null)
            .Select(answer => answer.Answered.TotalMilliseconds)
            .Order()
            .ToList();
        return
        [
            new("aibackend", "refusal p99", "ms", refused.At(0.99)),
            // Short work goes first, so the last of the line waits for longer than in turn.
            new("aibackend", "longest wait at any time", "s", run.OldestWait) { AtMost = Math.Round(3 * (lineSeconds + 5)) },
            new("aibackend", "until no job waited for longer than before", "s", late) { AtMost = 60 },
        ];
    }
}
