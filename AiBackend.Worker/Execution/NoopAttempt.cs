using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Worker.Execution;

/// <summary>Holds a slot for as long as its input says, and does nothing: measures the queue itself.</summary>
internal sealed class NoopAttempt(TimeProvider clock)
{
    /// <param name="running">The job.</param>
    /// <param name="confirmedAt">A timestamp from before the claim was sent.</param>
    /// <param name="graceOver">Fires when the job must be given back.</param>
    public async ValueTask<AttemptEnd> RunAsync(RunningJob running, long confirmedAt, CancellationToken graceOver)
    {
        // Says when its handler began, which is what the bench measures with it.
        var end = AttemptEnd.Succeeded(text: null) with
        {
            FirstTokenAfter = clock.GetElapsedTime(confirmedAt),
        };
        if (Milliseconds(running.Job.Input) is not { } milliseconds)
        {
            return end;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(running.Stop, graceOver);
        try
        {
            await Task.Delay(milliseconds, clock, stop.Token);
            return end;
        }
        catch (OperationCanceledException)
        {
            return graceOver.IsCancellationRequested ? AttemptEnd.GivenBack() : AttemptEnd.Cancelled(null);
        }
    }

    private static TimeSpan? Milliseconds(string input) =>
        // Most have none, and reading JSON would be a good part of what they cost.
        input.Contains("milliseconds", StringComparison.Ordinal)
        && JsonSerializer.Deserialize(input, StoredJson.Lenient.NoopInput)?.Milliseconds is { } milliseconds
            ? TimeSpan.FromMilliseconds(Math.Clamp(milliseconds, 0, 60_000))
            : null;
}
