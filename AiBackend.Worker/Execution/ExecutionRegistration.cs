using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

internal static class ExecutionRegistration
{
    /// <summary>Adds what claims and runs jobs.</summary>
    public static void AddJobExecution(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<WorkerOptions>()
            .BindConfiguration(WorkerOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<WorkerOptions>, WorkerTimingValidator>();
        builder.Services.TryAddSingleton(Random.Shared);
        builder
            .Services.AddSingleton<WorkerIdentity>()
            .AddSingleton<WorkerDrain>()
            .AddSingleton<HeldLeases>()
            .AddSingleton<ChatAttempt>()
            .AddSingleton<JobRunner>();

        // Hosted services stop in reverse order: intake drains first, and leases are renewed until it has.
        builder.Services.AddHostedService<LeaseKeeper>();
        builder.Services.AddHostedService<CancelWatch>();
        builder.Services.AddHostedService<JobIntake>();
    }
}
