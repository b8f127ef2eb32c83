using System.Diagnostics.Metrics;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Embeddings;
using AiBackend.Core.Providers.Keys;
using AiBackend.Core.Providers.Telemetry;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Providers;

/// <summary>Adds the providers to a process.</summary>
public static class ProvidersRegistration
{
    /// <summary>Adds <see cref="ProviderCatalog"/> and <see cref="RoutedChat"/>. A faulty configuration fails the start with every problem named.</summary>
    public static IHostApplicationBuilder AddProviders(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<ProvidersOptions>()
            .Configure<IConfiguration, IHostEnvironment>(
                (options, configuration, environment) => ProvidersConfiguration.Read(options, configuration, environment.IsProduction())
            )
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<ProvidersOptions>, ProvidersValidator>();

        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(services => new ProviderMetrics(services.GetRequiredService<IMeterFactory>()));
        builder.Services.AddSingleton(services => new ProviderCatalog(
            services.GetRequiredService<IOptions<ProvidersOptions>>(),
            services.GetRequiredService<ProviderMetrics>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<ProviderCatalog>>()
        ));
        builder
            .Services.AddOptions<CircuitOptions>()
            .BindConfiguration(CircuitOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.TryAddSingleton(Random.Shared);
        builder.Services.AddSingleton(services => new CircuitBreakers(
            services.GetRequiredService<IOptions<CircuitOptions>>(),
            services.GetRequiredService<IProbeTurns>(),
            services.GetRequiredService<ProviderMetrics>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<Random>(),
            services.GetRequiredService<ILogger<CircuitBreakers>>()
        ));
        builder.Services.AddSingleton<RetryBudgets>();
        builder.Services.AddSingleton(services => new RefusedKeys(services.GetRequiredService<ILogger<RefusedKeys>>()));
        builder.Services.TryAddSingleton<ICallGate, OpenGate>();
        builder.Services.TryAddSingleton<ICallPace, NoPace>();
        builder.Services.TryAddSingleton<IProbeTurns, OwnProbeTurns>();
        builder.Services.TryAddSingleton<ICatalogSource, ConfigurationOnly>();
        builder.Services.TryAddSingleton<ICallPrices, NoPrices>();
        builder.Services.AddSingleton<DeploymentDoor>();
        builder.Services.AddSingleton(services => new RoutedChat(
            services.GetRequiredService<ProviderCatalog>(),
            services.GetRequiredService<ICatalogSource>(),
            services.GetRequiredService<ICallPrices>(),
            services.GetRequiredService<DeploymentDoor>(),
            services.GetRequiredService<ProviderMetrics>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<RoutedChat>>()
        ));
        builder.Services.AddSingleton(services => new RoutedEmbeddings(
            services.GetRequiredService<ProviderCatalog>(),
            services.GetRequiredService<ICallPrices>(),
            services.GetRequiredService<DeploymentDoor>(),
            services.GetRequiredService<ProviderMetrics>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<RoutedEmbeddings>>()
        ));
        return builder;
    }

    private sealed class ProvidersValidator : IValidateOptions<ProvidersOptions>
    {
        public ValidateOptionsResult Validate(string? name, ProvidersOptions options) =>
            options.Problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(options.Problems);
    }
}
