using AiBackend.Core.Webhooks;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for webhooks of tenants.</summary>
internal sealed class WebhookRounds(WriteMessages write, SendToTenants send)
{
    private static readonly TimeSpan BusyInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromMilliseconds(500);

    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        var hasMore = await write.RunAsync(cancellationToken);
        var begun = await send.BeginAsync(cancellationToken);
        return hasMore || begun > 0 ? BusyInterval : IdleInterval;
    }

    /// <summary>Waits until nothing is being sent.</summary>
    public Task IdleAsync() => send.IdleAsync();
}
