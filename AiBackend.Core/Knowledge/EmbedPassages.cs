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
        switch (await MakeAsync(tenant, model, passages, cancellationToken))
        {
            case VectorsMade.Refused refused when passages is [_] || !refused.MayBeOfOne:
                Wait(tenant, refused);
                return false;
            case not VectorsMade.Made when passages is not [_]:
                return await EmbedEachAsync(tenant, model, passages, cancellationToken);
            default:
                return true;
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
        var isAnyMade = false;
        var suspects = new List<PlainPassage>();
        VectorsMade.Refused? refused = null;
        foreach (var passage in passages)
        {
            var outcome = await MakeAsync(tenant, model, [passage], cancellationToken);
            isAnyMade |= outcome is VectorsMade.Made;
            if (outcome is VectorsMade.Refused why)
            {
                refused = why;
                if (!why.MayBeOfOne)
                {
                    break;
                }

                suspects.Add(passage);
            }
        }

        // Where others are taken, these are refused for what they say. Where none is, it may be how we ask, and nobody is given up for that.
        if (isAnyMade && suspects.Count > 0)
        {
            await store.StoreAsync(tenant, model, suspects, made: null, cancellationToken);
        }

        if (refused is null || (refused.MayBeOfOne && isAnyMade))
        {
            return true;
        }

        Wait(tenant, refused);
        return false;
    }

    /// <summary>One call. What it makes is kept, and of a text alone, too, that it is never taken.</summary>
    private async Task<VectorsMade> MakeAsync(
        Guid tenant,
        string model,
        IReadOnlyList<PlainPassage> passages,
        CancellationToken cancellationToken
    )
    {
        var asker = new KnowledgeAsker(tenant) { AsksAgain = _waiting.Remove(tenant) };
        var outcome = await vectors.MakeAsync(asker, [.. passages.Select(passage => passage.Text)], cancellationToken);
        if (outcome is VectorsMade.Made made)
        {
            FaultPoints.Hit(FaultPoint.K30, model);
            await store.StoreAsync(tenant, model, passages, made, cancellationToken);
        }
        else if (outcome is VectorsMade.NotTaken && passages is [_])
        {
            await store.StoreAsync(tenant, model, passages, made: null, cancellationToken);
        }

        return outcome;
    }

    private void Wait(Guid tenant, VectorsMade.Refused refused)
    {
        var pause = refused.After is { } after && after > Pause ? after : Pause;
        _waiting[tenant] = clock.GetUtcNow() + (pause < LongestPause ? pause : LongestPause);
        logger.PassagesWait(tenant, refused.Reason);
    }
}
