using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Egress;

/// <summary>Registers the way to addresses that tenants name.</summary>
public static class EgressRegistration
{
    /// <summary>Adds <see cref="EgressRules"/> and <see cref="EgressClient"/>.</summary>
    public static void AddEgress(this IHostApplicationBuilder builder)
    {
        var isDevelopment = builder.Environment.IsDevelopment();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddOptions<EgressOptions>().BindConfiguration(EgressOptions.SectionName).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<EgressOptions>>(new EgressOptionsValidator(isDevelopment));
        builder.Services.TryAddSingleton<IEgressResolver, SystemResolver>();
        builder.Services.AddSingleton(services =>
            EgressRules.OfTenants(
                services.GetRequiredService<IOptions<EgressOptions>>().Value,
                OwnHosts.Of(builder.Configuration),
                isDevelopment
            )
        );
        builder.Services.AddSingleton(services => new EgressClient(
            services.GetRequiredService<EgressRules>(),
            services.GetRequiredService<IEgressResolver>(),
            services.GetRequiredService<TimeProvider>()
        ));
    }
}
