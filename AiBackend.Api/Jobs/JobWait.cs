using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary>Waits for a job's end on behalf of a long poll.</summary>
internal sealed class JobWait(JobEventTail tail, LiveKeys keys, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    /// <param name="context">The request that waits.</param>
    /// <param name="tenantId">Whose job it is.</param>
    /// <param name="jobId">The job.</param>
    /// <param name="limit">How long.</param>
    /// <returns>The job as it ended; null when it has not in time. A stopping server answers early: its successor can be asked again.</returns>
    /// <exception cref="BadHttpRequestException">The key of the request ended meanwhile: nothing is told for it any more.</exception>
    public async Task<Job?> ForEndAsync(HttpContext context, Guid tenantId, Guid jobId, TimeSpan limit)
    {
        using var key = keys.Watch(context);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(key?.Revoked ?? default, context.RequestAborted);
        var job = await WaitAsync(tenantId, jobId, limit, stop.Token, context.RequestAborted);
        await KeyAgain.CheckAsync(context);
        return job;
    }

    private async Task<Job?> WaitAsync(
        Guid tenantId,
        Guid jobId,
        TimeSpan limit,
        CancellationToken isOver,
        CancellationToken cancellationToken
    )
    {
        using var timeUp = new CancellationTokenSource(limit, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, lifetime.ApplicationStopping, isOver);
        try
        {
            return await tail.WaitForEndAsync(tenantId, jobId, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}
