using AiBackend.Core.Providers.Configuration;

namespace AiBackend.Core.Providers.Catalog;

/// <summary>Every deployment and route at one moment: the configuration, and over it what operators set. Never changes.</summary>
internal sealed class CatalogSnapshot
{
    private readonly IReadOnlyList<ProviderOptions> _providers;
    private readonly CatalogOverrides _overrides;
    private readonly bool _hasSimulator;
    private readonly Func<ProviderOptions, ChatDeployment> _connect;
    private readonly Dictionary<(string Provider, string Model), ChatDeployment> _deployments = [];
    private readonly Dictionary<string, CatalogRoute> _routes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CatalogRoute> _models;

    /// <param name="providers">As configured.</param>
    /// <param name="overrides">What was set since.</param>
    /// <param name="connect">A deployment of the provider's own model, as these options say.</param>
    public CatalogSnapshot(
        IReadOnlyList<ProviderOptions> providers,
        CatalogOverrides overrides,
        Func<ProviderOptions, ChatDeployment> connect
    )
    {
        (_providers, _overrides, _connect) = (providers, overrides, connect);
        _hasSimulator = providers.Any(provider => provider.Simulated);
        foreach (var provider in providers)
        {
            foreach (var model in provider.Models.Concat(ModelsOf(provider)).Distinct(StringComparer.Ordinal))
            {
                _deployments.Add((provider.Name, model), Connect(provider, model));
            }
        }

        foreach (var (name, route) in overrides.Routes)
        {
            // A target whose provider is configured no more is as if it were not there.
            var stops = route
                .Targets.Select(target => (Deployment: Find(target.Provider, target.Model)!, target.When))
                .Where(target => target.Deployment is not null)
                .Select(target => (target.Deployment with { RouteVersion = route.Version }, target.When))
                .ToList();
            if (stops.Count > 0)
            {
                _routes.Add(name, new CatalogRoute(stops, route.CheapestFirst));
            }
        }

        _routes.TryAdd(ProviderCatalog.DefaultRoute, Plain(providers.Select(provider => Find(provider.Name, provider.Model)!)));
        RouteNames = [.. _routes.Keys.Order(StringComparer.Ordinal)];
        _models = _deployments
            .Values.GroupBy(deployment => deployment.Model, StringComparer.Ordinal)
            .ToDictionary(same => same.Key, Plain, StringComparer.Ordinal);
        KnownModels =
        [
            .. RouteNames
                .Prepend(ProviderCatalog.DefaultRoute)
                .Concat(_deployments.Keys.Select(key => key.Model))
                .Distinct(StringComparer.Ordinal),
        ];
    }

    public IReadOnlyList<string> RouteNames { get; }

    public IReadOnlyList<string> KnownModels { get; }

    /// <summary>In the configured order of providers.</summary>
    public IReadOnlyCollection<ChatDeployment> Deployments => _deployments.Values;

    /// <returns>Null when there is no such deployment. A simulator has one for every name that begins with <c>sim</c>.</returns>
    public ChatDeployment? Find(string provider, string model) =>
        _deployments.TryGetValue((provider, model), out var known) ? known
        : _providers.FirstOrDefault(each => each.Name == provider) is { } options && options.Serves(model) ? Connect(options, model)
        : null;

    /// <returns>A route by its name, or else every deployment of the model; null when there is none.</returns>
    public CatalogRoute? Route(string name)
    {
        // A simulator's models have no end, so what it alone serves is found anew each time.
        if (_routes.TryGetValue(name, out var route) || (_models.TryGetValue(name, out route) && !_hasSimulator))
        {
            return route;
        }

        var deployments = _providers.Select(provider => Find(provider.Name, name)).OfType<ChatDeployment>().ToList();
        return deployments.Count > 0 ? Plain(deployments) : null;
    }

    /// <returns>What an operator set about a route; null when none has this name.</returns>
    public RouteDefinition? Definition(string name) => _overrides.Routes.GetValueOrDefault(name);

    private IEnumerable<string> ModelsOf(ProviderOptions provider) =>
        _overrides.Deployments.Where(definition => definition.Provider == provider.Name).Select(definition => definition.Model);

    private ChatDeployment Connect(ProviderOptions provider, string model)
    {
        var definition = _overrides.Deployments.FirstOrDefault(each => each.Provider == provider.Name && each.Model == model);
        var key = _overrides.Keys.GetValueOrDefault((provider.Name, model)) ?? _overrides.Keys.GetValueOrDefault((provider.Name, ""));
        return _connect(provider.With(key, definition?.Timeouts)) with
        {
            Model = model,
            Limits = definition?.Limits ?? provider.Limits,
            ContextTokens = definition?.ContextTokens,
            MaxOutputTokens = definition?.MaxOutputTokens,
            Capabilities = definition?.Capabilities ?? [],
        };
    }

    private static CatalogRoute Plain(IEnumerable<ChatDeployment> deployments) =>
        new([.. deployments.Select(deployment => (deployment, TargetRule.Always))]);
}
