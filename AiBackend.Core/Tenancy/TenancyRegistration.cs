using AiBackend.Core.Tenancy.Limits;
using AiBackend.Core.Tenancy.Users;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Tenancy;

/// <summary>Registers API keys.</summary>
public static class TenancyRegistration
{
    /// <summary>Adds <see cref="ApiKeyStore"/>, <see cref="TenantNames"/> and <see cref="DevelopmentKey"/>.</summary>
    public static void AddTenancy(this IHostApplicationBuilder builder)
    {
        var isDevelopment = builder.Environment.IsDevelopment();
        builder.Services.AddOptions<TenancyOptions>().BindConfiguration(TenancyOptions.SectionName).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<TenancyOptions>>(new TenancyOptionsValidator(isDevelopment));
        if (isDevelopment)
        {
            builder.Services.PostConfigure<TenancyOptions>(options => options.KeyPepper ??= TenancyOptions.DevelopmentPepper);
        }

        builder.Services.PostConfigure<TenancyOptions>(options => options.NewTenantUsdPerDay ??= isDevelopment ? 0 : 5);

        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<ApiKeyStore>().AddSingleton<TenantNames>().AddSingleton<DevelopmentKey>();
    }

    /// <summary>Adds what makes and changes tenants and keys: the Api's side.</summary>
    public static void AddTenancyAdministration(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<TenantAdministration>().AddSingleton<KeyAdministration>().AddSingleton<KeyAllowances>();
        builder.Services.AddSingleton<UserStore>().AddSingleton<SessionStore>().AddSingleton<SetupToken>().AddSingleton<StreamTickets>();
        builder.Services.AddHostedService(services => services.GetRequiredService<SetupToken>());
    }

    /// <summary>Adds <see cref="IKeyGrants"/>: the worker's side.</summary>
    public static void AddKeyGrants(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<IKeyGrants, KeyGrants>();
    }
}
