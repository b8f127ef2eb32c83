using System.Runtime.CompilerServices;
using AiBackend.Api.Auth;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.SignalR;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary><c>/hubs/jobs</c>: the same numbered events over SignalR.</summary>
[Authorize(Policies.ReadJobs)]
internal sealed class JobsHub(JobReads jobs, JobEventTail tail) : Hub
{
    /// <summary>Streams a job's events after a number, and ends after <c>final</c>.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="after">Number of the last event the reader has; 0 for all.</param>
    /// <param name="cancellationToken">Fires when the reader ends the stream or leaves.</param>
    public async IAsyncEnumerable<JobEvent> Watch(string jobId, int after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Checked at every call: the connection may be older than the right to this job.
        var tenantId = Context.User!.GetCaller().TenantId;
        if (!Guid.TryParseExact(jobId, "D", out var id) || await jobs.FindHeadAsync(tenantId, id, cancellationToken) is not { } head)
        {
            throw new HubException($"job_not_found: There is no job {Problems.Quoted.Of(jobId)}.");
        }

        if (after < 0 || after > head.LastSeq)
        {
            throw new HubException($"bad_after: The event to resume from is {after}, but the job's latest is {head.LastSeq}.");
        }

        await foreach (var record in tail.FollowAsync(id, after, cancellationToken))
        {
            yield return record.ToWire();
        }
    }
}
