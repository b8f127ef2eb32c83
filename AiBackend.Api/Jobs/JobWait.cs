using AiBackend.Core.Events;

namespace AiBackend.Api.Jobs;

/// <summary>Waits for a job's end on behalf of a long poll.</summary>
internal sealed class JobWait(JobEventReader events, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    /// <returns>Whether the job ended in time. A stopping server answers early: its successor can be asked again.</returns>
    public async Task<bool> ForEndAsync(Guid jobId, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        try
        {
            return await events.WaitForEndAsync(jobId, limit, clock, stopping.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return false;
        }
    }
}
