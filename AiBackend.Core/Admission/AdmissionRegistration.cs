using System.Diagnostics.Metrics;
using AiBackend.Core.Admission.Pace;
using AiBackend.Core.Database;
using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using AiBackend.Core.Providers.Circuits;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Admission;

/// <summary>Registers what keeps calls within provider limits.</summary>
public static class AdmissionRegistration
{
    /// <summary>Adds the gate that all workers share. Before <c>AddProviders</c>, which otherwise adds one that is open.</summary>
    public static void AddAdmission(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<AdmissionOptions>()
            .BindConfiguration(AdmissionOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<CallLedger>().AddSingleton<TokenEstimates>().AddSingleton<CallGate>();
        builder.Services.AddSingleton<ICallGate>(services => services.GetRequiredService<CallGate>());
        builder.Services.AddSingleton<IProbeTurns, ProbeTurns>();
        builder.Services.AddSingleton<ReleaseLimitedJobs>().AddSingleton<ReleaseBudgetedJobs>();
        builder.Services.AddSingleton<CloseAbandonedCalls>().AddSingleton<PruneCallWindows>();
        builder.AddMoney();
        builder.Services.AddSingleton<ICallPrices, CallPrices>();
        builder.AddMoneyMaintenance();
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
