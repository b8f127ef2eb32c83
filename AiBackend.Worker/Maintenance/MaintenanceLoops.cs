using AiBackend.Core.Cache;
using AiBackend.Core.Controls;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Core.Redis;
using AiBackend.Core.Retention;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Quarantine;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Worker.Maintenance;

/// <summary>What the leader does besides its jobs: dispatch, rescue, due times and deadlines, dead letters, retention, pruning.</summary>
internal sealed class MaintenanceLoops(
    Leadership leadership,
    DispatchRounds dispatch,
    IReadyQueue queue,
    DropStaleEntries dropStale,
    LearnEstimates learnEstimates,
    PublishOutlook publishOutlook,
    PublishLimits publishLimits,
    RescueJobs rescue,
    MoneyRounds money,
    ReleaseHeldJobs releaseHeld,
    SharedAnswers answers,
    ConversationRounds conversations,
    KnowledgeRounds knowledge,
    AdvanceDueJobs advanceDue,
    PruneRounds prune,
    DeadLetterRounds deadLetters,
    WebhookRounds webhooks,
    PrivacyRounds privacy,
    WorkflowRounds workflows,
    RetentionRounds retention,
    QueueGauges gauges,
    QuarantineKeeper quarantine,
    DatabaseGauges databaseGauges,
    IRedisChannels redis,
    IStorageWatch storage,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    ILogger<MaintenanceLoops> logger
) : BackgroundService
{
    private static readonly TimeSpan AdvanceInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LearnInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PublishInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RescueInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PruneInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan GaugeInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DatabaseGaugeInterval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan StaleAfter = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromHours(1);

    private const int MaxReleased = 500;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await dispatch.SubscribeAsync();
        await leadership.RunAsync(LeadAsync, stoppingToken);
    }

    private async Task LeadAsync(CancellationToken cancellationToken)
    {
        logger.LeadershipBegan();
        // After an outage of Postgres every holder gets the chance to renew first; but a successor that saw none does not wait.
        var firstRescue = options.Value.LeaseDuration - leadership.InTouchFor;
        await Task.WhenAll(
            RepeatAsync(TimeSpan.Zero, dispatch.RunAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, AdvanceAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, LearnAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, PublishAsync, cancellationToken),
            RepeatAsync(firstRescue > TimeSpan.Zero ? firstRescue : TimeSpan.Zero, RescueAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, money.CloseAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, workflows.RunAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, conversations.RunAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, knowledge.RunAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, quarantine.RoundAsync, cancellationToken),
            RepeatAsync(PruneInterval, PruneAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, deadLetters.LabelAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, deadLetters.RunBulkActionsAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, deadLetters.RaiseAlertsAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, deadLetters.TellAlertsAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, webhooks.RunAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, privacy.DeleteAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, privacy.ExpireAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, retention.PartitionAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, retention.CompactAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, MeasureAsync, cancellationToken),
            RepeatAsync(TimeSpan.Zero, MeasureDatabaseAsync, cancellationToken)
        );
        await webhooks.IdleAsync();
        gauges.Clear();
        databaseGauges.Clear();
        deadLetters.Clear();
    }

    private async Task<TimeSpan> AdvanceAsync(CancellationToken cancellationToken)
    {
        await money.ReleaseAsync(cancellationToken);
        await releaseHeld.RunAsync(MaxReleased, cancellationToken);
        await answers.SettleAsync(cancellationToken);
        await advanceDue.RunAsync(cancellationToken);
        return AdvanceInterval;
    }

    private async Task<TimeSpan> LearnAsync(CancellationToken cancellationToken)
    {
        await learnEstimates.RunAsync(cancellationToken);
        return LearnInterval;
    }

    private async Task<TimeSpan> PublishAsync(CancellationToken cancellationToken)
    {
        await publishOutlook.RunAsync(cancellationToken);
        await publishLimits.RunAsync(cancellationToken);
        return PublishInterval;
    }

    private async Task<TimeSpan> RescueAsync(CancellationToken cancellationToken)
    {
        // After an outage of Postgres every holder gets the chance to renew first, also when the same worker leads before and after.
        if (options.Value.LeaseDuration - storage.SinceAway is { } left && left > TimeSpan.Zero)
        {
            return left;
        }

        if (await rescue.RunAsync(cancellationToken) is > 0 and var rescued)
        {
            logger.JobsRescued(rescued);
        }

        return RescueInterval;
    }

    private async Task<TimeSpan> PruneAsync(CancellationToken cancellationToken)
    {
        await prune.RunAsync(cancellationToken);
        await money.PruneAsync(cancellationToken);
        await answers.PruneAsync(cancellationToken);
        await dropStale.RunAsync(StaleAfter, cancellationToken);
        await queue.RemoveIdleConsumersAsync(ForgottenAfter);
        return PruneInterval;
    }

    private async Task<TimeSpan> MeasureAsync(CancellationToken cancellationToken)
    {
        await gauges.RefreshAsync(cancellationToken);
        return GaugeInterval;
    }

    private async Task<TimeSpan> MeasureDatabaseAsync(CancellationToken cancellationToken)
    {
        await databaseGauges.RefreshAsync(cancellationToken);
        return DatabaseGaugeInterval;
    }

    /// <summary>Runs a round, waits as long as it says, and so on; a failed round is logged and followed by the next.</summary>
    private async Task RepeatAsync(TimeSpan first, Func<CancellationToken, Task<TimeSpan>> round, CancellationToken cancellationToken)
    {
        var pause = first;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(pause, clock, cancellationToken);
                await storage.WaitUntilBackAsync(cancellationToken);
                pause = await round(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure) when (failure is RedisException or RedisTimeoutException)
            {
                // Safe to go on: workers find jobs in Postgres while Redis is away.
                redis.ReportFailure(failure);
                pause = RescueInterval;
            }
            catch (Exception failure)
            {
                // Safe to go on: every round starts from what Postgres says; and a loop that ended would leave the others leading without it.
                if (!storage.Report(failure))
                {
                    logger.MaintenanceFailed(failure);
                }

                pause = RescueInterval;
            }
        }
    }
}
