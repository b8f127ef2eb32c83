using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Catalog;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

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
        builder.Services.AddSingleton<ReleaseLimitedJobs>().AddSingleton<ReleaseBudgetedJobs>();
        builder.Services.AddSingleton<CloseAbandonedCalls>().AddSingleton<PruneCallWindows>();
        builder.AddMoney();
        builder.Services.AddSingleton<ICallPrices, CallPrices>();
        builder.AddMoneyMaintenance();
    }

    /// <summary>Adds <see cref="LimitUse"/>.</summary>
    public static void AddLimitReads(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<LimitUse>();
}
