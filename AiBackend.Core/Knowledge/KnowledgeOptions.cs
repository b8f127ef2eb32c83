using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Knowledge;

/// <summary>How much knowledge may take, and who makes vectors of it. Section <c>Knowledge</c>; changes need a restart.</summary>
public sealed class KnowledgeOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Knowledge";

    /// <summary>Documents of a tenant. Default 10 000.</summary>
    [Range(1, 1_000_000)]
    public int MaxDocumentsPerTenant { get; set; } = 10_000;

    /// <summary>Model or route that turns passages and questions into vectors; without one, words alone are compared. The Api and the workers need the same.</summary>
    public string? EmbeddingModel { get; set; }

    /// <summary>Numbers in a vector; null is as many as the model makes by itself.</summary>
    [Range(1, 16_384)]
    public int? EmbeddingDimensions { get; set; }

    /// <summary>How close a passage must be to a question to count as found by its meaning: the cosine of the angle between their vectors. Default 0.25.</summary>
    [Range(-1.0, 1.0)]
    public double MinSimilarity { get; set; } = 0.25;

    /// <summary>Passages that a search compares by meaning at most, the newest first. Default 2 000.</summary>
    [Range(1, 50_000)]
    public int MaxCompared { get; set; } = 2_000;
}
