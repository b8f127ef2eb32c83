using AiBackend.Core.Database;
using AiBackend.Core.Jobs;

namespace AiBackend.Worker.Execution;

/// <summary>How an attempt ends that is broken off, for work that asks no model.</summary>
internal static class AttemptGuard
{
    /// <param name="running">The job.</param>
    /// <param name="work">What is to be done.</param>
    /// <param name="afterOutage">How the attempt ends when Postgres did not answer.</param>
    /// <param name="graceOver">Fires when the job must be given back.</param>
    public static async Task<AttemptEnd> RunAsync(
        RunningJob running,
        Func<CancellationToken, Task<AttemptEnd>> work,
        Func<ClaimedJob, AttemptEnd> afterOutage,
        CancellationToken graceOver
    )
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(running.Stop, graceOver);
        try
        {
            return await work(stop.Token);
        }
        catch (Exception) when (running.IsLost)
        {
            return AttemptEnd.GivenBack();
        }
        catch (Exception) when (running.CancelRequested)
        {
            return AttemptEnd.Cancelled(null);
        }
        catch (OperationCanceledException) when (graceOver.IsCancellationRequested)
        {
            return AttemptEnd.GivenBack();
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            return afterOutage(running.Job);
        }
    }
}
