using AiBackend.Core.Conversations;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for conversations: who waits for its turn goes on, and summaries that were written count.</summary>
internal sealed class ConversationRounds(ConversationTurns turns, Compactions compactions)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        await turns.WakeAsync(null, cancellationToken);
        await compactions.SettleAsync(cancellationToken);
        await compactions.DeleteSpentAsync(cancellationToken);
        return Interval;
    }
}
