using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Privacy;

/// <summary>Registers what tenants keep, take along and have deleted.</summary>
public static class PrivacyRegistration
{
    /// <summary>Adds what callers ask for: the Api's side.</summary>
    public static void AddPrivacy(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<DeleteJob>().AddSingleton<TenantDeletions>().AddSingleton<TenantExport>();

    /// <summary>Adds what the leader does about it.</summary>
    public static void AddPrivacyMaintenance(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<DeleteTenants>().AddSingleton<ExpireContent>();
}
