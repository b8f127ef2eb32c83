using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Providers.Anthropic;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Keys;
using AiBackend.Core.Providers.OpenAi;
using AiBackend.Core.Providers.Telemetry;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Providers;

/// <summary>The configured providers, and which of them serve a model. Builds each provider's chain of clients once.</summary>
public sealed class ProviderCatalog : IDisposable
{
    /// <summary>The route that every installation has: each provider's own model, in the configured order.</summary>
    public const string DefaultRoute = "default";

    /// <summary>HTTP requests that one call makes at most: neither the SDK nor the handler repeats any by itself.</summary>
    public const int TriesPerCall = 1;

    private readonly IReadOnlyList<ProviderOptions> _options;
    private readonly Dictionary<string, IChatClient> _clients;
    private readonly IReadOnlyList<ChatDeployment> _defaultRoute;

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
        _clients = _options.ToDictionary(provider => provider.Name, client, StringComparer.Ordinal);
        _defaultRoute = [.. _options.Select(provider => Deployment(provider, provider.Model))];
        Providers = [.. _options.Select(provider => new ProviderInfo(provider.Name, provider.Model, provider.Simulated))];
        KnownModels = [.. _options.SelectMany(provider => provider.Models).Prepend(DefaultRoute).Distinct(StringComparer.Ordinal)];

        foreach (var provider in _options)
        {
            logger.ProviderConfigured(provider.Name, provider.BaseUrl.Authority, string.Join(", ", provider.Models), provider.Simulated);
        }
    }

    /// <summary>The providers in order of preference.</summary>
    public IReadOnlyList<ProviderInfo> Providers { get; }

    /// <summary>Every name a job may ask for: <see cref="DefaultRoute"/> first, then the models. A simulator serves more, see <see cref="Knows"/>.</summary>
    public IReadOnlyList<string> KnownModels { get; }

    /// <summary>Whether <see cref="Route"/> has an answer. With a simulator configured, any name that begins with <c>sim</c> is known.</summary>
    public bool Knows(string model) => model is DefaultRoute || _options.Any(provider => provider.Serves(model));

    /// <summary>The deployments to ask for <paramref name="model"/>, best first; empty when nobody serves it.</summary>
    public IReadOnlyList<ChatDeployment> Route(string model) =>
        model is DefaultRoute
            ? _defaultRoute
            : [.. _options.Where(provider => provider.Serves(model)).Select(provider => Deployment(provider, model))];

    /// <summary>Whether a provider is asked with the key that has this id.</summary>
    public bool HasKey(string provider, string keyId) => _options.Any(each => each.Name == provider && KeyIdOf(each) == keyId);

    /// <summary>Closes all connections.</summary>
    public void Dispose()
    {
        foreach (var client in _clients.Values)
        {
            client.Dispose();
        }
    }

    private ChatDeployment Deployment(ProviderOptions provider, string model) =>
        new(provider.Name, model, provider.Simulated, _clients[provider.Name]) { Limits = provider.Limits, KeyId = KeyIdOf(provider) };

    private static string KeyIdOf(ProviderOptions provider) => RefusedKey.IdOf(provider.Name, provider.ApiKey);

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
