using AiBackend.Core.DeadLetters;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for jobs that failed for good.</summary>
internal sealed class DeadLetterRounds(LabelDeadLetters label)
{
    private static readonly TimeSpan LabelInterval = TimeSpan.FromMilliseconds(500);

    public async Task<TimeSpan> LabelAsync(CancellationToken cancellationToken)
    {
        await label.RunAsync(cancellationToken);
        return LabelInterval;
    }
}
