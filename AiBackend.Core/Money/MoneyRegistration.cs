using AiBackend.Core.Alerts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Money;

/// <summary>Adds prices, budgets and what calls cost.</summary>
public static class MoneyRegistration
{
    /// <summary>Adds what every process that shows or spends money needs.</summary>
    public static void AddMoney(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<PriceOptions>().BindConfiguration(PriceOptions.SectionName).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<PriceOptions>, PriceOptionsValidator>();
        builder.Services.AddSingleton<PriceStore>().AddSingleton<PriceBook>().AddSingleton<BudgetStore>();
        builder.Services.AddSingleton<UsageReads>().AddSingleton<LedgerReads>();
    }

    /// <summary>Adds the leader's part.</summary>
    public static void AddMoneyMaintenance(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<IAlertSource, BudgetAlerts>().AddSingleton<PruneUsage>();
}
