using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Knowledge;

/// <summary>How much knowledge may take. Section <c>Knowledge</c>; changes need a restart.</summary>
public sealed class KnowledgeOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Knowledge";

    /// <summary>Documents of a tenant. Default 10 000.</summary>
    [Range(1, 1_000_000)]
    public int MaxDocumentsPerTenant { get; set; } = 10_000;
}
