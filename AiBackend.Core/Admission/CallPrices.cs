using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Catalog;

namespace AiBackend.Core.Admission;

/// <summary>What calls would cost, for routes that ask the cheapest first.</summary>
internal sealed class CallPrices(PriceBook prices) : ICallPrices
{
    public async ValueTask<decimal?> EstimateAsync(
        ChatDeployment deployment,
        long inputTokens,
        long outputTokens,
        CancellationToken cancellationToken
    ) => (await prices.FindAsync(deployment.Provider, deployment.Model, cancellationToken))?.Rates.EstimateOf(inputTokens, outputTokens);
}
