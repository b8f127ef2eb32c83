using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Embeddings;
using AiBackend.Core.Providers.Failures;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Knowledge;

/// <summary>Has providers make vectors, within the limits, budgets and ledger of every call: as a call of no job (docs/adr, 0024).</summary>
internal sealed class ProviderVectors(
    IOptions<KnowledgeOptions> options,
    ProviderCatalog catalog,
    RoutedEmbeddings embeddings,
    TimeProvider clock
) : ITextVectors
{
    /// <summary>What such calls are for, in budgets and reports.</summary>
    public const string Feature = "knowledge";

    private const int Urgent = 0;
    private const int Patient = 2;

    private readonly string _asked = options.Value.EmbeddingModel!;

    public string? Model =>
        catalog.Route(_asked).FirstOrDefault(deployment => deployment.CanEmbed) is not { Model: var model } ? null
        : options.Value.EmbeddingDimensions is { } numbers ? FormattableString.Invariant($"{model}:{numbers}")
        : model;

    public async Task<VectorsMade> MakeAsync(KnowledgeAsker asker, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        try
        {
            var calls = new ChatCalls(clock, CallerOf(asker), asker.AsksAgain);
            var answer = await embeddings.EmbedAsync(_asked, texts, options.Value.EmbeddingDimensions, calls, cancellationToken);
            return new VectorsMade.Made(answer.ServedBy.Model, [.. answer.Vectors.Select(vector => Similarity.OfLengthOne(vector.Span))]);
        }
        catch (Exception failure) when (!cancellationToken.IsCancellationRequested && failure is not NpgsqlException)
        {
            return OutcomeOf(ProviderFailures.Classify(failure));
        }
    }

    private static VectorsMade OutcomeOf(ProviderFailure failure) =>
        failure switch
        {
            ProviderFailure.CallerError { Code: ProviderFailureCodes.ContextLengthExceeded or ProviderFailureCodes.ContentRefused } =>
                new VectorsMade.NotTaken(),
            ProviderFailure.CallerError { Code: ProviderFailureCodes.UnknownModel } => new VectorsMade.Refused(
                KnowledgeReasons.NoModel,
                null
            ),
            // What else is said to be our mistake may be one of our settings: no reason to give up a text, unless others are taken.
            ProviderFailure.CallerError => new VectorsMade.Refused(KnowledgeReasons.Provider, null) { MayBeOfOne = true },
            ProviderFailure.NotAsked { Budget: not null } spent => new VectorsMade.Refused(KnowledgeReasons.Budget, spent.After),
            ProviderFailure.NotAsked { Limit: not null } full => new VectorsMade.Refused(KnowledgeReasons.Limit, full.After),
            ProviderFailure.RateLimited limited => new VectorsMade.Refused(KnowledgeReasons.Limit, limited.After),
            _ => new VectorsMade.Refused(KnowledgeReasons.Provider, failure.RetryAfter),
        };

    private ChatCaller CallerOf(KnowledgeAsker asker) =>
        new(Guid.CreateVersion7(clock.GetUtcNow()), Epoch: 0, asker.Waits ? Urgent : Patient)
        {
            AcceptedAt = clock.GetUtcNow(),
            Payer = new CallPayer(asker.TenantId, asker.KeyId, Feature, EndUser: null, MaxCostUsd: null),
        };
}
