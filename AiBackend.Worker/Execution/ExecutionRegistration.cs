using AiBackend.Core.Admission;
using AiBackend.Core.Alerts;
using AiBackend.Core.Contracts;
using AiBackend.Core.Conversations;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Knowledge;
using AiBackend.Core.Operations;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Workflows;
using AiBackend.Worker.Execution.Attached;
using AiBackend.Worker.Execution.Chat;
using AiBackend.Worker.Execution.Tools;
using AiBackend.Worker.Execution.Workflows;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

internal static class ExecutionRegistration
{
    /// <summary>Adds what claims and runs jobs.</summary>
    public static void AddJobExecution(this IHostApplicationBuilder builder)
    {
        builder.AddAttempts();
        builder.AddProviderStates();
        builder.Services.AddSingleton<WorkerIdentity>().AddSingleton<SlotUse>().AddSingleton<SpareSlots>().AddSingleton<RunSlots>();

        // Hosted services stop in reverse order: intake drains first, and leases are renewed until it has.
        builder.Services.AddHostedService<LeaseKeeper>();
        builder.Services.AddHostedService<CancelWatch>();
        builder.Services.AddHostedService<CircuitReports>();
        builder.Services.AddSingleton<IAlertSource, RefusedKeyAlerts>();
        builder.AddKeyReports();
        builder.AddPaceExchange();
        builder.Services.AddHostedService<PoolIntake>();
        builder.Services.AddHostedService<JobIntake>();
    }

    /// <summary>Adds what runs a claimed job. Who claims, and under which identity, is the caller's business.</summary>
    public static void AddAttempts(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<WorkerOptions>()
            .BindConfiguration(WorkerOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<WorkerOptions>, WorkerTimingValidator>();
        builder.Services.AddSingleton<IValidateOptions<WorkerOptions>, ServedPoolsValidator>();
        builder
            .Services.AddOptions<WorkerOptions>()
            .PostConfigure<QueuePools>(
                (worker, pools) => worker.PooledSlots = pools.Others.Where(pool => worker.Serves(pool.Name)).Sum(pool => pool.Slots)
            );
        builder.Services.TryAddSingleton(Random.Shared);
        builder.AddKeyGrants();
        builder.Services.AddOutputContracts();
        builder.AddKnowledge();
        builder.AddConversations();
        builder.AddJobSubmission();
        builder.Services.AddWorkflows();
        builder.AddToolRuns();
        builder.AddFiles();
        builder
            .Services.AddSingleton<WorkerDrain>()
            .AddSingleton<HeldLeases>()
            .AddSingleton<Judge>()
            .AddSingleton<Retrieval>()
            .AddSingleton<PdfTexts>()
            .AddSingleton<Attachments>()
            .AddSingleton<TurnContext>()
            .AddSingleton<CompactionJobs>()
            .AddSingleton<ReviewRemarks>()
            .AddSingleton<McpCalls>()
            .AddSingleton<ToolRunner>()
            .AddSingleton<JobTools>()
            .AddSingleton<ChatEnds>()
            .AddSingleton<ChatAttempt>()
            .AddSingleton<NoopAttempt>()
            .AddSingleton<StepJobs>()
            .AddSingleton<InlineTools>()
            .AddSingleton<WorkflowAttempt>()
            .AddSingleton<ToolAttempt>()
            .AddSingleton<ReviewAttempt>()
            .AddSingleton<JobRunner>();
    }
}
