using System.Text.Json;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary>Waits for a job's end on behalf of a long poll.</summary>
internal sealed class JobWait(JobEventTail tail, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    /// <param name="after">Number of an event that was not the last; the wait reads what comes behind it.</param>
    /// <returns>The job as it ended; null when it has not in time. A stopping server answers early: its successor can be asked again.</returns>
    public async Task<Job?> ForEndAsync(Guid tenantId, Guid jobId, int after, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeUp = new CancellationTokenSource(limit, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, lifetime.ApplicationStopping, cancellationToken);
        try
        {
            await foreach (var record in tail.FollowAsync(tenantId, jobId, after, stop.Token))
            {
                if (record.Kind == JobEventKind.Final)
                {
                    return JsonSerializer.Deserialize(record.Data.Span, WireJson.Default.FinalEvent)!.Job;
                }
            }

            return null;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}
