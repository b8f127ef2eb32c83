using System.Runtime.CompilerServices;
using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.SignalR;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary><c>/hubs/jobs</c>: the same numbered events over SignalR.</summary>
[Authorize(Policies.ReadJobs)]
internal sealed class JobsHub(
    JobReads jobs,
    JobEventTail tail,
    LiveKeys keys,
    KeyRateLimits limits,
    AttemptLimits attempts,
    IStorageWatch storage
) : Hub
{
    private Guid TenantId => Context.User!.GetCaller().TenantId;

    /// <summary>Streams a job's events after a number, and ends after <c>final</c>.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="after">Number of the last event the reader has; 0 for all.</param>
    /// <param name="cancellationToken">Fires when the reader ends the stream or leaves.</param>
    public async IAsyncEnumerable<JobEvent> Watch(string? jobId, int after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var id = await FindAsync(jobId, after, cancellationToken);
        using var key = keys.TryWatch(Context.GetHttpContext()!, limits.MostStreams);
        if (key is null)
        {
            var full = limits.TooManyStreams(Context.User!.GetCaller().KeyId);
            throw new HubException($"{full.Type.Code}: {full.Detail}");
        }

        // The connection too, which would outlive the key.
        await using var end = key.Revoked.Register(Context.Abort);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, key.Revoked);
        await foreach (var record in tail.FollowAsync(TenantId, id, after, stop.Token))
        {
            yield return record.ToWire();
        }
    }

    /// <summary>Checked at every call: the connection may be older than the right to this job.</summary>
    private async Task<Guid> FindAsync(string? jobId, int after, CancellationToken cancellationToken)
    {
        JobHead? found = null;
        if (storage.IsAway)
        {
            throw new HubException("storage_unavailable: The database cannot be reached at the moment. Try again.");
        }

        var isId = Guid.TryParseExact(jobId, "D", out var id);
        try
        {
            if (!await keys.CountsAsync(Context.GetHttpContext()!, cancellationToken))
            {
                Context.Abort();
                throw new HubException(
                    "unauthorized: The key counts no more, or may not read jobs from there. Connect again with another."
                );
            }

            if (isId)
            {
                found = await jobs.FindHeadAsync(TenantId, id, cancellationToken);
            }
        }
        catch (Exception outage) when (storage.Report(outage))
        {
            throw new HubException("storage_unavailable: The database did not answer in time. Try again.", outage);
        }

        if (found is not { } head)
        {
            if (attempts.CountUnknown(Context.User!.GetCaller().KeyId) is { } over)
            {
                throw new HubException($"{over.Type.Code}: {over.Detail}");
            }

            var context = Context.GetHttpContext()!;
            if (isId && AuditedRequests.ActorOf(context) is { } actor)
            {
                ForeignObjects.Note(context, actor with { Action = "watch" }, "job", jobId!);
            }

            throw new HubException($"job_not_found: There is no job {Quoted.Of(jobId ?? "")}.");
        }

        return after >= 0 && after <= head.LastSeq
            ? Guid.Parse(jobId!)
            : throw new HubException($"bad_after: The event to resume from is {after}, but the job's latest is {head.LastSeq}.");
    }
}
