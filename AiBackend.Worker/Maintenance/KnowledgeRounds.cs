using AiBackend.Core.Knowledge;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for knowledge: passages are turned into vectors.</summary>
internal sealed class KnowledgeRounds(EmbedPassages embed)
{
    private static readonly TimeSpan BusyInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(2);

    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken) =>
        await embed.RunAsync(cancellationToken) ? BusyInterval : IdleInterval;
}
