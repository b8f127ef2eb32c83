namespace AiBackend.ApiContracts.DeadLetters;

/// <summary>Dead letters of one cause: jobs that failed for good with the same normalised error and that nobody replayed or discarded.</summary>
/// <param name="Fingerprint">Names the cause: the same for the same class, code and <paramref name="Message"/>.</param>
/// <param name="Class">Class of the error, as in <c>error.class</c> of a job.</param>
/// <param name="Code">Code of the error, as in <c>error.code</c> of a job.</param>
/// <param name="Message">The error's message with whatever differs from job to job replaced, for example <c>&lt;n&gt;</c> for numbers.</param>
/// <param name="Count">Open letters that match the filters.</param>
/// <param name="FirstSeenAt">When this cause was first seen, whatever has become of those letters.</param>
/// <param name="LastSeenAt">When it was last seen.</param>
/// <param name="OldestAt">When the oldest of the counted letters died.</param>
/// <param name="Sample">The newest of the counted letters.</param>
public sealed record DeadLetterGroup(
    string Fingerprint,
    string Class,
    string Code,
    string Message,
    long Count,
    DateTimeOffset FirstSeenAt,
    DateTimeOffset LastSeenAt,
    DateTimeOffset OldestAt,
    DeadLetterSample Sample
);

/// <summary>One letter that stands for its group.</summary>
/// <param name="JobId">Its job.</param>
/// <param name="Message">The job's last error.</param>
/// <param name="Model">The job's model.</param>
public sealed record DeadLetterSample(Guid JobId, string Message, string Model);

/// <summary>A page of groups, the cause that was first seen last first.</summary>
/// <param name="Data">The groups.</param>
/// <param name="NextCursor">Pass as <c>cursor</c> for the next page; null on the last.</param>
public sealed record DeadLetterGroupPage(IReadOnlyList<DeadLetterGroup> Data, string? NextCursor);

/// <summary>A job that failed for good through no fault of its caller.</summary>
public sealed record DeadLetter
{
    /// <summary>The job.</summary>
    public required Guid JobId { get; init; }

    /// <summary>Its group; null for the moment until it is assigned.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>Class of its last error.</summary>
    public required string Class { get; init; }

    /// <summary>Code of its last error.</summary>
    public required string Code { get; init; }

    /// <summary>Message of its last error.</summary>
    public string? Message { get; init; }

    /// <summary>The job's model.</summary>
    public string? Model { get; init; }

    /// <summary>First words of the job's request; null when it has no text.</summary>
    public string? Title { get; init; }

    /// <summary>When the job failed for good.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>The job that replays it; null when it was not replayed.</summary>
    public Guid? ReplayedBy { get; init; }

    /// <summary>When it was discarded; null when it was not.</summary>
    public DateTimeOffset? DiscardedAt { get; init; }

    /// <summary>Public id of the API key that replayed or discarded it.</summary>
    public string? ClosedBy { get; init; }
}

/// <summary>A page of dead letters, newest job first.</summary>
/// <param name="Data">The letters.</param>
/// <param name="NextCursor">Pass as <c>cursor</c> for the next page; null on the last.</param>
public sealed record DeadLetterPage(IReadOnlyList<DeadLetter> Data, string? NextCursor);
