namespace AiBackend.Core.Queue.Estimates;

/// <summary>What jobs like one have taken lately: the middle, and what nine in ten did not exceed.</summary>
/// <param name="RunP50">Seconds of an attempt.</param>
/// <param name="RunP90">Seconds of an attempt.</param>
/// <param name="TokensP50">Tokens of prompt and answer.</param>
/// <param name="TokensP90">Tokens of prompt and answer.</param>
public sealed record JobEstimate(double RunP50, double RunP90, double TokensP50, double TokensP90);

/// <summary>Jobs that are alike to the estimates.</summary>
/// <param name="TenantId">Whose they are; empty is anybody's.</param>
/// <param name="Model">As submitted.</param>
/// <param name="Feature">The caller's; empty is none.</param>
internal readonly record struct EstimateKey(Guid TenantId, string Model, string Feature)
{
    /// <summary>Stands for every feature.</summary>
    public const string AnyFeature = "*";

    /// <summary>From the closest to the widest.</summary>
    public IEnumerable<EstimateKey> AndWider() => [this, this with { Feature = AnyFeature }, new(Guid.Empty, Model, AnyFeature)];
}
