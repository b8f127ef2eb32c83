using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Retention;

/// <summary>Registers what ages jobs.</summary>
public static class RetentionRegistration
{
    /// <summary>Adds how long jobs are kept: who shortens it for a tenant must know.</summary>
    public static void AddRetentionTimes(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<RetentionOptions>()
            .BindConfiguration(RetentionOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RetentionOptions>, RetentionOptionsValidator>();
    }

    /// <summary>Adds the leader's rounds.</summary>
    public static void AddRetention(this IHostApplicationBuilder builder)
    {
        builder.AddRetentionTimes();
        builder
            .Services.AddSingleton<JobPartitions>()
            .AddSingleton<CompactLogs>()
            .AddSingleton<PruneRemains>()
            .AddSingleton<RetentionMetrics>()
            .AddSingleton<RetentionRounds>();
    }
}
