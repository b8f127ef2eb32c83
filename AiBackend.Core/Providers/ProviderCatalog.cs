using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Providers.Anthropic;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Keys;
using AiBackend.Core.Providers.OpenAi;
using AiBackend.Core.Providers.Telemetry;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Providers;

/// <summary>Which deployments serve a model or route now: those of the configuration, and what operators set over it.</summary>
public sealed class ProviderCatalog : IDisposable
{
    /// <summary>The route that every installation has: each provider's own model, in the configured order.</summary>
    public const string DefaultRoute = "default";

    /// <summary>The route of those who leave the model to us. Nobody else is given another one because much is to do.</summary>
    public const string AutoRoute = "auto";

    /// <summary>HTTP requests that one call makes at most: neither the SDK nor the handler repeats any by itself.</summary>
    public const int TriesPerCall = 1;

    private readonly IReadOnlyList<ProviderOptions> _options;
    private readonly ProviderClients _clients;
    private volatile CatalogSnapshot _now;

    /// <summary>Builds the clients; no connection is made yet.</summary>
    internal ProviderCatalog(
        IOptions<ProvidersOptions> options,
        ProviderMetrics metrics,
        TimeProvider clock,
        ILogger<ProviderCatalog> logger
    )
        : this(options.Value.Providers, provider => Chain(provider, metrics, clock), logger) { }

    /// <summary>With clients that end where <paramref name="client"/> says: the network is beyond it.</summary>
    internal ProviderCatalog(
        IReadOnlyList<ProviderOptions> options,
        Func<ProviderOptions, IChatClient> client,
        ILogger<ProviderCatalog> logger
    )
    {
        _options = options;
        _clients = new ProviderClients(client);
        _now = Snapshot(CatalogOverrides.None);
        Providers = [.. _options.Select(provider => new ProviderInfo(provider.Name, provider.Model, provider.Simulated))];

        foreach (var provider in _options)
        {
            logger.ProviderConfigured(provider.Name, provider.BaseUrl.Authority, string.Join(", ", provider.Models), provider.Simulated);
        }
    }

    /// <summary>The providers in order of preference.</summary>
    public IReadOnlyList<ProviderInfo> Providers { get; }

    /// <summary>Every name a job may ask for: <see cref="DefaultRoute"/> first, then the other routes, then the models. A simulator serves more, see <see cref="Knows"/>.</summary>
    public IReadOnlyList<string> KnownModels => _now.KnownModels;

    /// <summary>Those of <see cref="KnownModels"/> that turn texts into vectors. A simulator serves more.</summary>
    public IReadOnlyList<string> EmbeddingModels =>
        [
            .. KnownModels
                .Where(Embeds)
                .Concat(_options.Any(provider => provider.Simulated) ? ["sim-embed"] : [])
                .Distinct(StringComparer.Ordinal),
        ];

    /// <summary>Every deployment that has a name of its own, in the configured order of providers.</summary>
    public IReadOnlyCollection<ChatDeployment> Deployments => _now.Deployments;

    /// <summary>Every route.</summary>
    public IReadOnlyList<string> RouteNames => _now.RouteNames;

    /// <summary>Whether <see cref="Route(string)"/> has an answer. With a simulator configured, any name that begins with <c>sim</c> is known.</summary>
    public bool Knows(string model) => _now.Route(model) is not null;

    /// <summary>Every deployment that may be asked for <paramref name="model"/>, best first; empty when nobody serves it.</summary>
    public IReadOnlyList<ChatDeployment> Route(string model) => _now.Route(model)?.All ?? [];

    /// <summary>What an operator set about a route; null when nobody set one of this name.</summary>
    public RouteDefinition? Definition(string route) => _now.Definition(route);

    /// <summary>Whether some deployment turns texts into vectors for those who ask for <paramref name="model"/>.</summary>
    public bool Embeds(string model) => Route(model).Any(deployment => deployment.CanEmbed);

    /// <summary>The deployments to ask for <paramref name="model"/> on behalf of a call, best first; empty when nobody serves it.</summary>
    /// <remarks>A route that asks the cheapest first is put in order by <paramref name="prices"/>.</remarks>
    internal ValueTask<IReadOnlyList<ChatDeployment>> RouteAsync(
        string model,
        RouteNeeds needs,
        ICallPrices prices,
        CancellationToken cancellationToken
    ) =>
        _now.Route(model) switch
        {
            null => ValueTask.FromResult<IReadOnlyList<ChatDeployment>>([]),
            { CheapestFirst: true } route => prices.OrderAsync(route.For(needs), needs, cancellationToken),
            var route => ValueTask.FromResult(route.For(needs)),
        };

    /// <summary>Whether who asks for it leaves the model to us: <see cref="AutoRoute"/>, or a name that begins with it and a hyphen.</summary>
    public static bool IsAuto(string model) =>
        model.StartsWith(AutoRoute, StringComparison.Ordinal) && (model.Length == AutoRoute.Length || model[AutoRoute.Length] == '-');

    /// <summary>A deployment by provider and model; null when there is none.</summary>
    public ChatDeployment? Find(string provider, string model) => _now.Find(provider, model);

    /// <summary>Whether the configuration itself names it.</summary>
    public bool IsConfigured(string provider, string model) => _options.Any(each => each.Name == provider && each.Serves(model));

    /// <summary>Whether the configuration has a key for it.</summary>
    public bool HasConfiguredKey(string provider) => _options.Any(each => each.Name == provider && each.ApiKey is not null);

    /// <summary>Whether a provider is asked with the key that has this id.</summary>
    public bool HasKey(string provider, string keyId) =>
        _now.Deployments.Any(deployment => deployment.Provider == provider && deployment.KeyId == keyId);

    /// <summary>Puts what operators set over the configuration, in place of what they had set before. Calls under way are not disturbed.</summary>
    public void Apply(CatalogOverrides overrides)
    {
        var next = Snapshot(overrides);
        _now = next;
        _clients.Keep(next.Deployments.Select(deployment => deployment.Client));
    }

    /// <summary>Closes all connections.</summary>
    public void Dispose() => _clients.Dispose();

    private CatalogSnapshot Snapshot(CatalogOverrides overrides) => new(_options, overrides, Connect);

    private ChatDeployment Connect(ProviderOptions provider) =>
        new(provider.Name, provider.Model, provider.Simulated, _clients.Of(provider))
        {
            Limits = provider.Limits,
            Timeouts = provider.Timeouts,
            Continuity = provider.Continuity,
            ProtocolLeavesOut = provider.Kind == ProviderKind.Anthropic ? MessageRequest.LeftOut : static _ => [],
            KeyId = RefusedKey.IdOf(provider.Name, provider.ApiKey),
        };

    /// <summary>Outside in: telemetry sees what the time limits did; the limits see the bare adapter.</summary>
    private static ProviderTelemetry Chain(ProviderOptions provider, ProviderMetrics metrics, TimeProvider clock)
    {
        IChatClient adapter = provider.Kind switch
        {
            ProviderKind.Anthropic => new AnthropicChatClient(provider),
            _ => new OpenAiChatClient(provider),
        };
        var limited = new StreamTimeouts(adapter, provider.Name, provider.Timeouts, clock);
        return new ProviderTelemetry(limited, provider.Name, provider.BaseUrl, provider.Model, metrics);
    }
}
