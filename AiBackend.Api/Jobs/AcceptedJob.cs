using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary>The body of a 202: the job as it was accepted, now or, for a repeated request, then.</summary>
internal sealed class AcceptedJob(JobReads jobs, IJobEventLog log)
{
    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>A job that was committed a moment ago; nothing is read back.</summary>
    public static Job Of(JobDraft draft, DateTimeOffset createdAt)
    {
        var status = draft.NotBefore is null ? JobStatus.Queued : JobStatus.Scheduled;
        return new Job
        {
            Id = draft.Id,
            Type = draft.Type.ToWire(),
            Status = status.ToWire(),
            Model = draft.Model,
            Feature = draft.Feature,
            Priority = draft.Priority.ToWire(),
            CreatedAt = createdAt,
            Attempt = 0,
            MaxAttempts = draft.MaxAttempts,
            Queue = draft.Place ?? PlaceOf(status.ToWire()),
            NextAttemptAt = draft.NotBefore,
            Deadline = draft.Deadline,
            TraceId = draft.TraceParent is { Length: 55 } parent ? parent[3..35] : null,
            Title = draft.Title,
            Attachments = draft.InputVersion >= JobSchema.Files ? JobTerms.Read(draft.Terms).Attachments : null,
            Metadata = draft.Metadata is { } metadata
                ? JsonSerializer.Deserialize(metadata, WireJson.Default.IReadOnlyDictionaryStringString)!
                : NoMetadata,
            Links = JobLinks.Of(draft.Id),
        };
    }

    /// <summary>A job as its first event found it, whatever has become of it since.</summary>
    /// <returns>Null when it was deleted.</returns>
    public async Task<Job?> AsOfThenAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        var job = await jobs.FindAsync(tenantId, jobId, cancellationToken);
        var page = await log.ReadAsync(tenantId, jobId, after: 0, limit: 1, cancellationToken);
        if (job is null)
        {
            return null;
        }

        if (page.Events is not [{ Kind: JobEventKind.State } first])
        {
            throw new InvalidOperationException($"Job {jobId} has no first event.");
        }

        var state = JsonSerializer.Deserialize(first.Data.Span, WireJson.Default.StateEvent)!;
        return job with
        {
            Status = state.Status,
            StartedAt = null,
            FinishedAt = null,
            Attempt = 0,
            Queue = state.Position is { } position
                ? new QueuePlace(position, state.EtaP50, state.EtaP90, state.WaitingReason)
                : PlaceOf(state.Status),
            NextAttemptAt = state.NextAttemptAt,
            Output = null,
            Artifacts = null,
            Error = null,
            Usage = null,
            ServedBy = null,
        };
    }

    /// <summary>What the repeat of a request is told whose job was deleted.</summary>
    public static Refusal Deleted(Guid jobId) =>
        ProblemTypes.JobNotFound.With($"Job {jobId} of this Idempotency-Key was deleted. Use a new key for a new request.");

    private static QueuePlace PlaceOf(string status) =>
        new(null, null, null, status == JobStatuses.Scheduled ? WaitingReasons.Scheduled : WaitingReasons.Capacity);
}
