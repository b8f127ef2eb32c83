using AiBackend.Api.Problems;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary>Says to a caller who waits why no provider answered.</summary>
internal static class EmbeddingFailures
{
    public static Refusal ToRefusal(ProviderFailure failure) =>
        failure switch
        {
            ProviderFailure.NotAsked { Budget: { } budget } spent => ProblemTypes.BudgetSpent.With(
                $"There is no money left for this request ({budget}). Nothing was asked; send it again later, or have the budget raised."
            ) with
            {
                RetryAfter = spent.After,
            },
            ProviderFailure.NotAsked { Limit: { } limit } full => ProblemTypes.ProviderBusy.With(
                $"What the provider allows is used up for now ({limit}). Nothing was asked; send it again later."
            ) with
            {
                RetryAfter = full.After,
            },
            ProviderFailure.RateLimited limited => ProblemTypes.ProviderBusy.With($"{limited.Message} Send the request again later.") with
            {
                RetryAfter = limited.After,
            },
            ProviderFailure.NotAsked down => ProblemTypes.ProviderDown.With(
                $"Provider '{down.Provider}' is not asked now ({down.Code}), and nobody stands in for it. Send the request again later."
            ) with
            {
                RetryAfter = down.After > TimeSpan.Zero ? down.After : null,
            },
            ProviderFailure.CallerError wrong => ProblemTypes.InvalidValue.At("input", wrong.Message),
            _ => ProblemTypes.ProviderFailed.With(failure.Message) with { RetryAfter = failure.RetryAfter },
        };
}
