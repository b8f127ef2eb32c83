using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Batches;

/// <summary>How much batches may take. Section <c>Batches</c>; changes need a restart.</summary>
public sealed class BatchesOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Batches";

    /// <summary>Batches of a tenant that have not ended; more are refused. Default 100.</summary>
    [Range(1, 10_000)]
    public int MaxOpenPerTenant { get; set; } = 100;
}
