using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Operations;

/// <summary>Registers what operators read.</summary>
public static class OperationsRegistration
{
    /// <summary>Adds <see cref="StatsReads"/>, <see cref="WorkerReads"/> and <see cref="DownDeployments"/>.</summary>
    public static void AddOperationsReads(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<StatsReads>().AddSingleton<WorkerReads>();
        builder.AddDownDeployments();
    }

    /// <summary>Adds <see cref="DownDeployments"/>.</summary>
    public static void AddDownDeployments(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<DownDeployments>();
    }

    /// <summary>Adds <see cref="QueueGauges"/> and <see cref="DatabaseGauges"/>: the leading worker's part.</summary>
    public static void AddQueueGauges(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<StatsReads>().AddSingleton<QueueGauges>().AddSingleton<DatabaseGauges>();
}
