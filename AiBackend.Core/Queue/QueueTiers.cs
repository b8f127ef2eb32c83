using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Core.Queue;

/// <summary>What a tenant's tier gives it. An entry of <c>Queue:Tiers</c>.</summary>
public sealed class TierOptions
{
    /// <summary>Its share of the slots that tenants compete for, beside the other tenants' weights. 1 to 1000; default 4.</summary>
    public int Weight { get; set; } = 4;

    /// <summary>The most urgent priority its jobs may have. Default <c>interactive</c>.</summary>
    public string Highest { get; set; } = "interactive";
}

/// <summary>Tiers by name. A name that is not configured counts as <c>standard</c>.</summary>
public sealed class QueueTiers(IOptions<QueueOptions> options)
{
    /// <summary>The tier of tenants that nobody gave another one.</summary>
    public const string Standard = "standard";

    /// <summary>Every tier.</summary>
    public IEnumerable<string> Names => options.Value.Tiers.Keys;

    /// <summary>Whether there is a tier of this name.</summary>
    public bool Knows(string tier) => options.Value.Tiers.ContainsKey(tier);

    /// <summary>The tier's share.</summary>
    public double WeightOf(string tier) => Of(tier).Weight;

    /// <summary>The most urgent priority that a key of a tenant of this tier may ask for.</summary>
    /// <param name="tier">The tenant's.</param>
    /// <param name="ofKey">The key's own bound; null when it has none.</param>
    public JobPriority HighestOf(string tier, short? ofKey) =>
        JobTraitNames.TryParsePriority(Of(tier).Highest, out var ofTier) && (short)ofTier >= (ofKey ?? 0)
            ? ofTier
            : (JobPriority)(ofKey ?? 0);

    private TierOptions Of(string tier) => options.Value.Tiers.GetValueOrDefault(tier) ?? options.Value.Tiers[Standard];
}

/// <summary>Weights out of bounds, and priorities that do not exist.</summary>
internal sealed class TiersValidator : IValidateOptions<QueueOptions>
{
    public ValidateOptionsResult Validate(string? name, QueueOptions options)
    {
        var problems = options.Tiers.SelectMany(tier => ProblemsOf(tier.Value, $"Queue:Tiers:{tier.Key}")).ToList();
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> ProblemsOf(TierOptions tier, string path)
    {
        if (tier.Weight is < 1 or > 1000)
        {
            yield return Invariant($"{path}:Weight is {tier.Weight}; it takes 1 to 1000.");
        }

        if (!JobTraitNames.TryParsePriority(tier.Highest, out _))
        {
            yield return $"{path}:Highest is '{tier.Highest}'; it takes one of {string.Join(", ", JobTraitNames.AllPriorities)}.";
        }
    }
}
