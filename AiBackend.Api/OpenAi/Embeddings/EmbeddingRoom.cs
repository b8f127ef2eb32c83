using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary>Bounds what answers with vectors take of this process's memory: from the request until the answer has been sent.</summary>
internal sealed class EmbeddingRoom(IOptions<OpenAiOptions> options)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    private readonly SharedRoom _texts = new(options.Value.EmbeddingTextsAtOnce);

    /// <param name="tenantId">Whose call it is.</param>
    /// <param name="call">The call.</param>
    /// <param name="part">What is taken until it is disposed of.</param>
    /// <returns>Why there is no room now; null when there is.</returns>
    public Refusal? Enter(Guid tenantId, EmbeddingCall call, out IDisposable? part)
    {
        part = _texts.TryTake(tenantId, call.Texts.Count);
        return part is not null
            ? null
            : ProblemTypes.Overloaded.With(
                Invariant(
                    $"This server turns as many texts into vectors as it may at once, which is {options.Value.EmbeddingTextsAtOnce} (OpenAi__EmbeddingTextsAtOnce), and three quarters of them for one tenant. Nothing was asked; send it again later."
                )
            ) with
            {
                RetryAfter = Soon,
            };
    }
}
