using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>A job's rows as the memory store holds them.</summary>
internal sealed class JobRecord(JobDraft draft, DateTimeOffset createdAt)
{
    public JobDraft Draft { get; } = draft;

    public DateTimeOffset CreatedAt { get; } = createdAt;

    public JobStatus Status { get; set; } = draft.NotBefore is null ? JobStatus.Queued : JobStatus.Scheduled;

    public DateTimeOffset DueAt { get; set; } = draft.NotBefore ?? createdAt;

    public DateTimeOffset? LeaseUntil { get; set; }

    public DateTimeOffset? ClaimedAt { get; set; }

    public DateTimeOffset? StartedAt { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }

    public Guid? WorkerId { get; set; }

    public int Epoch { get; set; }

    public int LastSeq { get; set; }

    public int Attempt { get; set; }

    public int Excused { get; set; }

    public int CrashCount { get; set; }

    public bool CancelRequested { get; set; }

    public JobError? Error { get; set; }

    /// <summary>Why it waits for its next attempt; outlives the claim.</summary>
    public string? WaitingReason { get; set; }

    public string? Output { get; set; }

    public bool IsDeadLetter { get; set; }

    public List<(int Attempt, AttemptOutcome Outcome)> Attempts { get; } = [];

    public List<JobEventRecord> Events { get; } = [];

    /// <summary>What readers are shown of it.</summary>
    public Job ToWire() =>
        new()
        {
            Id = Draft.Id,
            Type = Draft.Type.ToWire(),
            Status = Status.ToWire(),
            Model = Draft.Model,
            Priority = Draft.Priority.ToWire(),
            CreatedAt = CreatedAt,
            StartedAt = StartedAt,
            FinishedAt = FinishedAt,
            Attempt = Attempt,
            MaxAttempts = Draft.MaxAttempts,
            Deadline = Draft.Deadline,
            Error = Error,
            Output = Output is { } text ? new JobOutput(text, null, []) : null,
            Metadata = new Dictionary<string, string>(),
            Links = JobLinks.Of(Draft.Id),
        };
}
