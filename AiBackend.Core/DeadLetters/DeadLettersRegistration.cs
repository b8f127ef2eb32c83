using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Webhooks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.DeadLetters;

/// <summary>Registers dead letters.</summary>
public static class DeadLettersRegistration
{
    /// <summary>Adds reads, replay, discard and the begin of bulk actions: the Api's side.</summary>
    public static void AddDeadLetters(this IHostApplicationBuilder builder)
    {
        builder.AddMakingOfJobs();
        builder.Services.AddSingleton<DeadLetterReads>().AddSingleton<ReplayJob>().AddSingleton<DiscardDeadLetter>();
        builder.Services.AddSingleton<BulkReads>().AddSingleton<PreviewBulkAction>().AddSingleton<BeginBulkAction>();
        builder.Services.AddSingleton<AlertReads>();
    }

    /// <summary>Adds what the leader does about them: the worker's side.</summary>
    public static void AddDeadLetterMaintenance(this IHostApplicationBuilder builder)
    {
        builder.AddMakingOfJobs();
        builder
            .Services.AddSingleton<LabelDeadLetters>()
            .AddSingleton<RunBulkActions>()
            .AddSingleton<CountBulkActions>()
            .AddSingleton<PruneDeadLetters>();
        builder.Services.AddOptions<AlertOptions>().BindConfiguration(AlertOptions.SectionName).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<AlertMetrics>().AddSingleton<IAlertSource, DeadLetterAlerts>().AddSingleton<RaiseAlerts>();
        builder.AddWebhookDelivery();
        builder.Services.AddOptions<AlertWebhookOptions>().BindConfiguration(AlertWebhookOptions.SectionName).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<AlertWebhookOptions>>(
            new AlertWebhookValidator(builder.Environment.IsDevelopment())
        );
        builder.Services.TryAddSingleton<AlertReads>();
        builder.Services.AddSingleton<TellAlerts>();
    }

    private static void AddMakingOfJobs(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<JobMetrics>();
        builder.Services.TryAddSingleton<JobIds>();
    }
}
