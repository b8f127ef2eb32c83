using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Limits;
using AiBackend.Core.Queue.Order;
using AiBackend.Core.Queue.Outlook;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Queue;

/// <summary>Registers the queue.</summary>
public static class QueueRegistration
{
    /// <summary>Adds the ready stream and what feeds it.</summary>
    public static void AddQueue(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<QueueOptions>().BindConfiguration(QueueOptions.SectionName).ValidateDataAnnotations().ValidateOnStart();
        builder
            .Services.AddSingleton<IReadyQueue, ReadyQueue>()
            .AddSingleton<DispatchBacklog>()
            .AddSingleton<DropStaleEntries>()
            .AddSingleton<ReleaseLimitedJobs>()
            .AddSingleton<ReleaseRunningLimits>()
            .AddSingleton<QueuePools>()
            .AddSingleton<RecentLoads>()
            .AddSingleton<JobEstimates>()
            .AddSingleton<LearnEstimates>()
            .AddSingleton<PruneEstimates>()
            .AddSingleton<LineFlow>()
            .AddSingleton<AllocationWatch>()
            .AddSingleton<ModelChoice>()
            .AddSingleton<LimitOutlook>()
            .AddSingleton<LineOutlook>()
            .AddSingleton<PublishLimits>()
            .AddSingleton<PublishOutlook>()
            .AddSingleton<QueueTiers>()
            .AddSingleton<IValidateOptions<QueueOptions>, TiersValidator>()
            .AddSingleton<FindPooledJobs>()
            .AddSingleton<FindJobsOfOtherModels>()
            .AddSingleton<FindQueuedRuns>()
            .AddSingleton<IValidateOptions<QueueOptions>, PoolsValidator>()
            .AddSingleton<FindSuspects>()
            .AddSingleton<IQueuedJobs, FindQueuedJobs>();
    }
}
