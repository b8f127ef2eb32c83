using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Worker.Execution;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Quarantine;

/// <summary>Runs suspects one after another in this process, and ends it when none waits.</summary>
internal sealed class QuarantineIntake(
    FindSuspects suspects,
    ClaimJobs claimJobs,
    JobRunner runner,
    WorkerIdentity identity,
    WorkerDrain drain,
    IHostApplicationLifetime lifetime,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    ILogger<QuarantineIntake> logger
) : BackgroundService
{
    private const int Window = 8;

    /// <summary>Without Postgres for this long it ends: whoever leads then starts another one.</summary>
    private const int MaxFailures = 10;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => TakeUntilAsync(drain.Begun);

    private async Task TakeUntilAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested && failures < MaxFailures)
        {
            try
            {
                if (await RunNextAsync(stoppingToken))
                {
                    failures = 0;
                    continue;
                }

                break;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception failure)
            {
                // Safe to go on: nothing was claimed, or the claim's lease expires.
                failures++;
                logger.SuspectNotTaken(failure);
                await Task.Delay(Pause, clock, stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            }
        }

        lifetime.StopApplication();
    }

    /// <returns>False when no suspect waits.</returns>
    private async Task<bool> RunNextAsync(CancellationToken stoppingToken)
    {
        var waiting = await suspects.RunAsync(Window, stoppingToken);
        foreach (var id in waiting)
        {
            var sentAt = clock.GetTimestamp();
            // None: a claim that was sent may be committed, and then the job is ours to run or to give back; its time-out bounds it.
            if (await claimJobs.RunAloneAsync(identity.Id, id, options.Value.LeaseDuration, CancellationToken.None) is { } job)
            {
                logger.RunningAlone(id, job.Crashes);
                await runner.RunAsync(job, sentAt, drain.GraceOver);
                return true;
            }
        }

        if (waiting.Count == 0)
        {
            return false;
        }

        // Others run them, or a newer worker has to: no reason to look again at once.
        await Task.Delay(Pause, clock, stoppingToken);
        return true;
    }
}
