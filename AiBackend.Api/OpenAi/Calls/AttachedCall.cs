using AiBackend.Core.Database;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Calls;

/// <summary>A job whose caller waits for it, and what becomes of it when the caller leaves.</summary>
/// <param name="TenantId">Whose job it is.</param>
/// <param name="JobId">The job.</param>
/// <param name="MayComeBack">The caller can find it again: by its Idempotency-Key, or by the id that its stream told.</param>
/// <param name="IsDetached">It goes on without its caller.</param>
internal sealed record AttachedCall(Guid TenantId, Guid JobId, bool MayComeBack, bool IsDetached);

/// <summary>Cancels a job that nobody waits for any more.</summary>
internal sealed class LeftCalls(AttachedCallers callers, CancelJob cancel, ILogger<LeftCalls> logger)
{
    /// <summary>Runs what the caller waits for.</summary>
    /// <param name="call">The job.</param>
    /// <param name="wait">Returns whether the caller has left without its answer, or has to be left by us.</param>
    public async Task RunAsync(AttachedCall call, Func<Task<CallerLeft>> wait)
    {
        callers.Enter(call.JobId);
        var left = CallerLeft.ByUs;
        try
        {
            left = await wait();
        }
        catch (OperationCanceledException)
        {
            left = CallerLeft.ByItself;
            throw;
        }
        catch (BadHttpRequestException)
        {
            // Its key counts no more (JobWait).
            left = CallerLeft.ForGood;
            throw;
        }
        finally
        {
            var isLast = callers.Leave(call.JobId);
            if (isLast && !call.IsDetached && (left == CallerLeft.ForGood || (left != CallerLeft.Not && !call.MayComeBack)))
            {
                await CancelAsync(call);
            }
        }
    }

    private async Task CancelAsync(AttachedCall call)
    {
        try
        {
            // None: the caller is gone; the limit of every statement bounds it.
            await cancel.RunAsync(call.TenantId, call.JobId, CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            logger.NotCancelled(failure, call.JobId);
        }
    }
}

/// <summary>How a caller was parted from its job.</summary>
internal enum CallerLeft
{
    /// <summary>It has its answer.</summary>
    Not,

    /// <summary>It closed its connection, or lost it.</summary>
    ByItself,

    /// <summary>It was sent away before the job had ended.</summary>
    ByUs,

    /// <summary>It may not come back.</summary>
    ForGood,
}
