using AiBackend.Core.Conversations;
using AiBackend.Core.Privacy;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for what tenants keep and have deleted.</summary>
internal sealed class PrivacyRounds(
    DeleteTenants delete,
    ExpireContent expire,
    ExpireConversations conversations,
    ILogger<PrivacyRounds> logger
)
{
    private static readonly TimeSpan ExpireInterval = TimeSpan.FromMinutes(15);

    public Task<TimeSpan> DeleteAsync(CancellationToken cancellationToken) => delete.RunAsync(cancellationToken);

    public async Task<TimeSpan> ExpireAsync(CancellationToken cancellationToken)
    {
        if (await expire.RunAsync(cancellationToken) is > 0 and var count)
        {
            logger.ContentExpired(count);
        }

        await conversations.RunAsync(cancellationToken);
        return ExpireInterval;
    }
}
