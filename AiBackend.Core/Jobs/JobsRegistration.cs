using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.Core.Jobs;

/// <summary>Registers what accepts, shows and runs jobs.</summary>
public static class JobsRegistration
{
    /// <summary>Adds submission, reads and cancel: the Api's side.</summary>
    public static void AddJobSubmission(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<JobMetrics>();
        builder.Services.TryAddSingleton<IJobStore, PostgresJobStore>();
        builder.Services.TryAddSingleton<CancelJob>();
        builder.Services.TryAddSingleton<WaitReads>();
        builder
            .Services.AddSingleton<JobIds>()
            .AddSingleton<JobSubmission>()
            .AddSingleton<JobReads>()
            .AddSingleton<JobTraces>()
            .AddSingleton<AnswerWait>()
            .AddSingleton<ReviewReads>()
            .AddSingleton<ClaimReview>();
        builder.AddReviewOptions();
    }

    /// <summary>Adds claims, leases, fenced writes and what time does to jobs: the worker's side.</summary>
    public static void AddJobLeases(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.TryAddSingleton<JobMetrics>();
        builder.Services.TryAddSingleton<IJobStore, PostgresJobStore>();
        builder.Services.TryAddSingleton<CancelJob>();
        builder.Services.TryAddSingleton<WaitReads>();
        builder
            .Services.AddSingleton<ClaimJobs>()
            .AddSingleton<LeasedWrites>()
            .AddSingleton<RescueJobs>()
            .AddSingleton<ReleaseLeases>()
            .AddSingleton<AdvanceDueJobs>()
            .AddSingleton<PruneKeys>()
            .AddSingleton<PruneWorkers>();
        builder.AddReviewOptions();
    }

    private static void AddReviewOptions(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddOptions<ReviewOptions>()
            .BindConfiguration(ReviewOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
}
