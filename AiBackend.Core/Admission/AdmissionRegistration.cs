using System.Diagnostics.Metrics;
using AiBackend.Core.Admission.Pace;
using AiBackend.Core.Database;
using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Circuits;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>Registers what keeps calls within provider limits.</summary>
public static class AdmissionRegistration
{
    /// <summary>Adds the gate that all workers share, and the leader's part. Before <c>AddProviders</c>, which otherwise adds one that is open.</summary>
    public static void AddAdmission(this IHostApplicationBuilder builder)
    {
        builder.AddGate(DatabaseRegistration.HotPath);
        builder.Services.AddSingleton<ReleaseBudgetedJobs>();
        builder.Services.AddSingleton<CloseAbandonedCalls>().AddSingleton<PruneCallWindows>();
        builder.AddMoney();
        builder.AddMoneyMaintenance();
    }

    /// <summary>Adds the same gate for calls that the Api makes itself, within a request. Before <c>AddProviders</c>.</summary>
    /// <remarks>Its limits and budgets are counted over all tenants, so its statements have to see them.</remarks>
    public static void AddDirectCalls(this IHostApplicationBuilder builder)
    {
        builder.AddGate(DatabaseRegistration.AllTenants);
        builder.AddPaceExchange();
    }

    /// <summary>Adds the exchange of paces, for a process that asks providers.</summary>
    public static void AddPaceExchange(this IHostApplicationBuilder builder) => builder.Services.AddHostedService<PaceExchange>();

    private static void AddGate(this IHostApplicationBuilder builder, string source)
    {
        builder
            .Services.AddOptions<AdmissionOptions>()
            .BindConfiguration(AdmissionOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton(services => new CallLedger(
            services.GetRequiredKeyedService<NpgsqlDataSource>(source),
            services.GetRequiredService<IStorageWatch>(),
            services.GetRequiredService<IOptions<AdmissionOptions>>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<CallLedger>>()
        ));
        builder.Services.AddSingleton<TokenEstimates>().AddSingleton<CallGate>();
        builder.Services.AddSingleton<ICallGate>(services => services.GetRequiredService<CallGate>());
        builder.Services.AddSingleton<IProbeTurns, ProbeTurns>();
        builder.Services.AddSingleton<ICallPrices, CallPrices>();
        builder.Services.AddSingleton<PaceStore>();
        builder.Services.AddSingleton(services => new CallPaces(
            services.GetRequiredService<PaceStore>(),
            services.GetRequiredService<IStorageWatch>(),
            services.GetRequiredService<IOptions<AdmissionOptions>>(),
            services.GetRequiredService<IMeterFactory>(),
            services.GetRequiredService<TimeProvider>()
        ));
        builder.Services.AddSingleton<ICallPace>(services => services.GetRequiredService<CallPaces>());
    }

    /// <summary>Adds <see cref="LimitUse"/>.</summary>
    public static void AddLimitReads(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<LimitUse>();
}
