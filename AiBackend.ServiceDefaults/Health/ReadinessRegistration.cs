using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace AiBackend.ServiceDefaults.Health;

/// <summary>Health checks are registered by the features that own the dependency; this makes them bounded.</summary>
internal static class ReadinessRegistration
{
    /// <summary>Shorter than any prober's patience, so that a hanging dependency is named instead of timing out the answer.</summary>
    private static readonly TimeSpan LongestCheck = TimeSpan.FromSeconds(2);

    public static void AddReadiness(this IHostApplicationBuilder builder)
    {
        builder.Services.AddHealthChecks();
        builder.Services.AddSingleton<ReadinessProbe>();
        builder.Services.PostConfigure<HealthCheckServiceOptions>(options =>
        {
            foreach (var check in options.Registrations.Where(check => check.Timeout == Timeout.InfiniteTimeSpan))
            {
                check.Timeout = LongestCheck;
            }
        });
    }
}
