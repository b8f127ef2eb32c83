using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Core.Providers.Embeddings;

/// <summary>Texts as vectors.</summary>
/// <param name="ServedBy">Who made them: vectors of different models cannot be compared.</param>
/// <param name="Usage">What it used; null when the provider did not say.</param>
/// <param name="Vectors">One for each text, in the same order and all of one length.</param>
public sealed record EmbeddingAnswer(ServedBy ServedBy, JobUsage? Usage, IReadOnlyList<ReadOnlyMemory<float>> Vectors);
