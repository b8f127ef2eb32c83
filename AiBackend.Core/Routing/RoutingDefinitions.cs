using System.Text.Json;
using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Versions;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Configuration;

namespace AiBackend.Core.Routing;

/// <summary>What was sent, as the catalog uses it. It was checked when it was sent.</summary>
public static class RoutingDefinitions
{
    /// <summary>Reads a stored route; members that a newer version added are passed over.</summary>
    public static RouteRequest ReadRoute(string body) => JsonSerializer.Deserialize(body, StoredJson.Lenient.RouteRequest)!;

    /// <summary>Reads a stored deployment.</summary>
    public static DeploymentRequest ReadDeployment(string body) => JsonSerializer.Deserialize(body, StoredJson.Lenient.DeploymentRequest)!;

    /// <summary>The name a deployment is stored under.</summary>
    public static string NameOf(string provider, string model) => $"{provider}/{model}";

    /// <summary>Provider and model of such a name; models have slashes of their own, providers none.</summary>
    public static (string Provider, string Model) Split(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        return (name[..slash], name[(slash + 1)..]);
    }

    internal static RouteDefinition RouteOf(RouteRequest route) =>
        new(
            [.. route.Targets!.Select(target => new TargetDefinition(target.Provider!, target.Model!, RuleOf(target.When)))],
            route.Order == RouteOrders.Cheapest
        )
        {
            Stronger = route.Stronger,
            Contract = route.Contract,
        };

    /// <param name="request">What was sent.</param>
    /// <param name="provider">What holds where it says nothing.</param>
    /// <param name="model">The model.</param>
    internal static DeploymentDefinition DeploymentOf(DeploymentRequest request, ProviderOptions provider, string model) =>
        new(provider.Name, model)
        {
            Limits = request.Limits is { } limits
                ? new ProviderLimits
                {
                    RequestsPerMinute = limits.RequestsPerMinute,
                    InputTokensPerMinute = limits.InputTokensPerMinute,
                    OutputTokensPerMinute = limits.OutputTokensPerMinute,
                    TokensPerMinute = limits.TokensPerMinute,
                    ConcurrentCalls = limits.ConcurrentCalls,
                }
                : null,
            Timeouts = request.Timeouts is { } timeouts
                ? new ProviderTimeouts
                {
                    Connect = Seconds(timeouts.ConnectSeconds) ?? provider.Timeouts.Connect,
                    FirstToken = Seconds(timeouts.FirstTokenSeconds) ?? provider.Timeouts.FirstToken,
                    Idle = Seconds(timeouts.IdleSeconds) ?? provider.Timeouts.Idle,
                    Total = Seconds(timeouts.TotalSeconds) ?? provider.Timeouts.Total,
                }
                : null,
            ContextTokens = request.ContextTokens,
            MaxOutputTokens = request.MaxOutputTokens,
            Capabilities = request.Capabilities ?? [],
        };

    private static TargetRule RuleOf(TargetConditions? when) =>
        when is null
            ? TargetRule.Always
            : new TargetRule(
                when.InputTokensAbove,
                when.InputTokensAtMost,
                LevelsOf(when.Priorities),
                Seconds(when.SecondsLeftBelow),
                when.UnderPressure ?? false
            );

    private static List<int>? LevelsOf(IReadOnlyList<string>? priorities) =>
        priorities
            ?.Where(name => JobTraitNames.TryParsePriority(name, out _))
            .Select(name => JobTraitNames.TryParsePriority(name, out var priority) ? (int)priority : 0)
            .ToList();

    private static TimeSpan? Seconds(double? seconds) => seconds is { } value ? TimeSpan.FromSeconds(value) : null;
}
