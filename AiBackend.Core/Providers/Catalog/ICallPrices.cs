namespace AiBackend.Core.Providers.Catalog;

/// <summary>What calls would cost, for routes that ask the cheapest first.</summary>
public interface ICallPrices
{
    /// <returns>US dollars; null when the deployment has no price.</returns>
    /// <param name="deployment">Who would be asked.</param>
    /// <param name="inputTokens">Estimate.</param>
    /// <param name="outputTokens">Estimate.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<decimal?> EstimateAsync(ChatDeployment deployment, long inputTokens, long outputTokens, CancellationToken cancellationToken);
}

/// <summary>Nothing has a price.</summary>
internal sealed class NoPrices : ICallPrices
{
    public ValueTask<decimal?> EstimateAsync(
        ChatDeployment deployment,
        long inputTokens,
        long outputTokens,
        CancellationToken cancellationToken
    ) => ValueTask.FromResult<decimal?>(null);
}

internal static class CheapestFirst
{
    /// <summary>To compare prices by, where the caller names no bound.</summary>
    private const int UsualOutput = 512;

    /// <summary>Puts those that would cost less first; who has no price stands behind, then whoever has no room for the call, and last who cannot do what it uses.</summary>
    public static async ValueTask<IReadOnlyList<ChatDeployment>> OrderAsync(
        this ICallPrices prices,
        IReadOnlyList<ChatDeployment> targets,
        RouteNeeds needs,
        CancellationToken cancellationToken
    )
    {
        var priced = new List<(ChatDeployment Deployment, decimal? Cost)>(targets.Count);
        foreach (var target in targets)
        {
            var cost = await prices.EstimateAsync(target, needs.InputTokens, needs.MaxOutputTokens ?? UsualOutput, cancellationToken);
            priced.Add((target, cost));
        }

        return
        [
            .. priced
                .OrderBy(target => target.Deployment.Can(needs) ? 0 : 1)
                .ThenBy(target => target.Deployment.Holds(needs) ? 0 : 1)
                .ThenBy(target => target.Cost ?? decimal.MaxValue)
                .Select(target => target.Deployment),
        ];
    }
}
