using AiBackend.Core.Faults;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Knowledge;

/// <summary>Has passages turned into vectors, some at a time and each tenant's at its own expense: the leader's part.</summary>
/// <remarks>
/// What is to be done is what the passages lack, so whoever leads next goes on with it. A call whose vectors were not stored is made again; its passages have
/// them once.
/// </remarks>
public sealed class EmbedPassages(ITextVectors vectors, KnowledgeVectors store, TimeProvider clock, ILogger<EmbedPassages> logger)
{
    private const int TenantsAtOnce = 100;

    // Some ten thousand tokens: also a deployment with small limits takes it.
    private const int PassagesAtOnce = 32;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    private readonly Dictionary<Guid, DateTimeOffset> _waiting = [];

    /// <summary>A call for each tenant that has passages without a vector.</summary>
    /// <returns>Whether there may be more at once.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        if (vectors.Model is not { } model)
        {
            return false;
        }

        var hasMore = false;
        var waiting = _waiting.Where(each => each.Value > clock.GetUtcNow()).Select(each => each.Key).ToArray();
        foreach (var tenant in await store.FindTenantsAsync(model, waiting, TenantsAtOnce, cancellationToken))
        {
            var passages = await store.ReadPendingAsync(tenant, model, PassagesAtOnce, cancellationToken);
            hasMore |= passages.Count > 0 && await EmbedAsync(tenant, model, passages, cancellationToken);
        }

        return hasMore;
    }

    /// <returns>False when the tenant has to wait.</returns>
    private async Task<bool> EmbedAsync(
        Guid tenant,
        string model,
        IReadOnlyList<PlainPassage> passages,
        CancellationToken cancellationToken
    )
    {
        var asker = new KnowledgeAsker(tenant) { AsksAgain = _waiting.Remove(tenant) };
        switch (await vectors.MakeAsync(asker, [.. passages.Select(passage => passage.Text)], cancellationToken))
        {
            case VectorsMade.Made made:
                FaultPoints.Hit(FaultPoint.K30, model);
                await store.StoreAsync(tenant, model, passages, made, cancellationToken);
                return true;
            case VectorsMade.Refused refused:
                var pause = refused.After is { } after && after > Pause ? after : Pause;
                _waiting[tenant] = clock.GetUtcNow() + (pause < LongestPause ? pause : LongestPause);
                logger.PassagesWait(tenant, refused.Reason);
                return false;
            default:
                return await EmbedEachAsync(tenant, model, passages, cancellationToken);
        }
    }

    /// <summary>One of them is refused for what it says: it is found by its words alone, and holds up no others.</summary>
    private async Task<bool> EmbedEachAsync(
        Guid tenant,
        string model,
        IReadOnlyList<PlainPassage> passages,
        CancellationToken cancellationToken
    )
    {
        if (passages is [_])
        {
            await store.StoreAsync(tenant, model, passages, made: null, cancellationToken);
            return true;
        }

        foreach (var passage in passages)
        {
            if (!await EmbedAsync(tenant, model, [passage], cancellationToken))
            {
                return false;
            }
        }

        return true;
    }
}
