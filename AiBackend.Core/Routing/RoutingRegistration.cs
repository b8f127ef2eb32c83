using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Secrets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Routing;

/// <summary>Registers routes, deployments and keys that operators set while the system runs.</summary>
public static class RoutingRegistration
{
    /// <summary>Adds <see cref="CatalogRefresh"/> and the stores. Before <c>AddProviders</c>, which otherwise knows the configuration only.</summary>
    public static void AddRouting(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<RoutingOptions>()
            .BindConfiguration(RoutingOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.PostConfigure<RoutingOptions>(options =>
            options.Installation = builder.Configuration[SecretSeal.InstallationSetting]
        );
        if (builder.Environment.IsDevelopment())
        {
            builder.Services.PostConfigure<RoutingOptions>(options => options.CredentialSecret ??= RoutingOptions.DevelopmentSecret);
        }

        builder.Services.AddSingleton<RoutingStore>().AddSingleton<CredentialStore>().AddSingleton<CredentialSeal>();
        builder.Services.AddSingleton<CatalogRefresh>();
        builder.Services.AddSingleton<ICatalogSource>(services => services.GetRequiredService<CatalogRefresh>());
        builder.Services.AddHostedService(services => services.GetRequiredService<CatalogRefresh>());
    }
}
