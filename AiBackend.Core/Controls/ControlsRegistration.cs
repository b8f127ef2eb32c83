using AiBackend.Core.Admission;
using AiBackend.Core.Controls.Caps;
using AiBackend.Core.Providers.Admission;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Controls;

/// <summary>Registers what operators hold back.</summary>
public static class ControlsRegistration
{
    /// <summary>Adds pausing and reading what is paused: the Api's side.</summary>
    public static void AddControls(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<ControlReads>();
        builder.Services.AddSingleton<HoldWork>();
    }

    /// <summary>Adds the limits of what may wait: the Api's side.</summary>
    public static void AddQueueCaps(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<BackpressureOptions>()
            .BindConfiguration(BackpressureOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.TryAddSingleton(Random.Shared);
        builder.Services.AddSingleton<QueueCounts>().AddSingleton<QueueCaps>();
    }

    /// <summary>Adds what keeps calls of jobs from held providers: the worker's side. Before <c>AddProviders</c>, after <c>AddAdmission</c>.</summary>
    public static void AddHeldProviders(this IHostApplicationBuilder builder)
    {
        builder.AddHeldCalls();
        builder.Services.AddSingleton<ReleaseHeldJobs>();
    }

    /// <summary>Adds what keeps calls from held providers. Before <c>AddProviders</c>, after whatever counts them.</summary>
    public static void AddHeldCalls(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<ControlReads>();
        builder.Services.AddSingleton<ICallGate>(services => new HeldProvidersGate(
            services.GetRequiredService<CallGate>(),
            services.GetRequiredService<ControlReads>()
        ));
    }
}
