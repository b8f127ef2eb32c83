using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Providers.Configuration;

namespace AiBackend.Core.Providers.Catalog;

/// <summary>What operators set over the configuration while the system runs.</summary>
/// <param name="Routes">By name. One named <see cref="ProviderCatalog.DefaultRoute"/> takes the place of the configured one.</param>
/// <param name="Deployments">Models that the configuration does not name, or for which other things hold.</param>
/// <param name="Keys">Keys in place of the configured ones, by provider and model; an empty model is every other model of the provider.</param>
public sealed record CatalogOverrides(
    IReadOnlyDictionary<string, RouteDefinition> Routes,
    IReadOnlyList<DeploymentDefinition> Deployments,
    IReadOnlyDictionary<(string Provider, string Model), string> Keys
)
{
    /// <summary>The configuration alone decides.</summary>
    public static CatalogOverrides None { get; } =
        new(new Dictionary<string, RouteDefinition>(StringComparer.Ordinal), [], new Dictionary<(string Provider, string Model), string>());
}

/// <summary>Who answers to a name.</summary>
/// <param name="Targets">In order of preference.</param>
/// <param name="CheapestFirst">Whether those that would cost less for a call are asked before, whatever that order.</param>
public sealed record RouteDefinition(IReadOnlyList<TargetDefinition> Targets, bool CheapestFirst)
{
    /// <summary>Counts the changes of the route; null when nobody counted.</summary>
    public int? Version { get; init; }

    /// <summary>The route or model that is asked when an answer keeps breaking its contract; null is none.</summary>
    public string? Stronger { get; init; }

    /// <summary>What its answers must be where who asks says nothing; null is anything.</summary>
    public OutputContract? Contract { get; init; }
}

/// <summary>A stop of a route.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The model.</param>
/// <param name="When">Which calls it is for.</param>
public sealed record TargetDefinition(string Provider, string Model, TargetRule When);

/// <summary>What holds for a deployment; null is as its provider's configuration has it.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The model.</param>
public sealed record DeploymentDefinition(string Provider, string Model)
{
    /// <summary>What the provider allows it.</summary>
    public ProviderLimits? Limits { get; init; }

    /// <summary>How long its calls may take.</summary>
    public ProviderTimeouts? Timeouts { get; init; }

    /// <summary>Tokens that prompt and answer may have together.</summary>
    public long? ContextTokens { get; init; }

    /// <summary>Tokens that an answer may have whose caller sets no bound, where money or tokens are limited.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>What it can do beyond text.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];
}
