using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Operations;

/// <summary>Registers what operators read.</summary>
public static class OperationsRegistration
{
    /// <summary>Adds <see cref="StatsReads"/>, <see cref="WorkerReads"/> and what <see cref="AddProviderStates"/> adds.</summary>
    public static void AddOperationsReads(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<StatsReads>().AddSingleton<WorkerReads>();
        builder.AddProviderStates();
    }

    /// <summary>Adds <see cref="DownDeployments"/> and <see cref="RefusedKeyStore"/>: which providers are not asked.</summary>
    public static void AddProviderStates(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<DownDeployments>();
        builder.Services.TryAddSingleton<RefusedKeyStore>();
    }

    /// <summary>Adds the exchange of refused keys, for a process that asks providers. After <see cref="AddProviderStates"/>.</summary>
    public static void AddKeyReports(this IHostApplicationBuilder builder) => builder.Services.AddHostedService<KeyReports>();

    /// <summary>Adds <see cref="QueueGauges"/> and <see cref="DatabaseGauges"/>: the leading worker's part.</summary>
    public static void AddQueueGauges(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<StatsReads>().AddSingleton<QueueGauges>().AddSingleton<DatabaseGauges>();
}
