using AiBackend.Api.Problems;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary>Bounds what answers with vectors take of this process's memory: from the request until the answer has been sent.</summary>
internal sealed class EmbeddingRoom(IOptions<OpenAiOptions> options)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    private int _texts;

    /// <returns>Why there is no room now; null when there is, which is taken until <see cref="Leave"/>.</returns>
    public Refusal? Enter(EmbeddingCall call)
    {
        var most = options.Value.EmbeddingTextsAtOnce;
        if (Interlocked.Add(ref _texts, call.Texts.Count) <= most)
        {
            return null;
        }

        Leave(call);
        return ProblemTypes.Overloaded.With(
            Invariant(
                $"This server turns as many texts into vectors as it may at once, which is {most} (OpenAi__EmbeddingTextsAtOnce). Nothing was asked; send it again later."
            )
        ) with
        {
            RetryAfter = Soon,
        };
    }

    public void Leave(EmbeddingCall call) => Interlocked.Add(ref _texts, -call.Texts.Count);
}
