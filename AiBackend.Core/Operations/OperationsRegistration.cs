using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Operations;

/// <summary>Registers what operators read.</summary>
public static class OperationsRegistration
{
    /// <summary>Adds <see cref="StatsReads"/> and <see cref="WorkerReads"/>.</summary>
    public static void AddOperationsReads(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<StatsReads>().AddSingleton<WorkerReads>();

    /// <summary>Adds <see cref="QueueGauges"/> and <see cref="DatabaseGauges"/>: the leading worker's part.</summary>
    public static void AddQueueGauges(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<StatsReads>().AddSingleton<QueueGauges>().AddSingleton<DatabaseGauges>();
}
