namespace AiBackend.Core.Batches;

/// <summary>How a batch stands. The numbers are stored; never renumber.</summary>
public enum BatchStatus : short
{
    /// <summary>Its file is read.</summary>
    Validating = 0,

    /// <summary>Its lines become jobs and are answered.</summary>
    InProgress = 1,

    /// <summary>Its files are written.</summary>
    Finalizing = 2,

    /// <summary>Its owner asked for its end; what runs is awaited.</summary>
    Cancelling = 3,

    /// <summary>Every line has ended.</summary>
    Completed = 4,

    /// <summary>Its file is no batch: nothing was done.</summary>
    Failed = 5,

    /// <summary>Some lines were too late.</summary>
    Expired = 6,

    /// <summary>Some lines may have been left out.</summary>
    Cancelled = 7,
}

/// <summary>How a line stands. The numbers are stored; never renumber.</summary>
public enum LineState : short
{
    /// <summary>It is no job yet.</summary>
    Waiting = 0,

    /// <summary>It is a job.</summary>
    Submitted = 1,

    /// <summary>Its job was answered.</summary>
    Answered = 2,

    /// <summary>It was refused, or its job failed.</summary>
    Failed = 3,

    /// <summary>The window was over before.</summary>
    Expired = 4,

    /// <summary>The batch was cancelled before.</summary>
    Cancelled = 5,
}

/// <summary>Requests from a file that are answered within a day.</summary>
public sealed record Batch
{
    /// <summary>UUIDv7.</summary>
    public required Guid Id { get; init; }

    /// <summary>Whose it is.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>The key that its lines are submitted for.</summary>
    public required string KeyId { get; init; }

    /// <summary>Where every line goes.</summary>
    public required string Endpoint { get; init; }

    /// <summary>The lines.</summary>
    public required Guid InputFileId { get; init; }

    /// <summary>How it stands.</summary>
    public BatchStatus Status { get; init; }

    /// <summary>JSON object of strings; null when there is none.</summary>
    public string? Metadata { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>What is not answered by then is too late.</summary>
    public DateTimeOffset WindowEndsAt { get; init; }

    /// <summary>So much of its file has become lines.</summary>
    public long ReadTo { get; init; }

    /// <summary>Lines so far.</summary>
    public int Lines { get; init; }

    /// <summary>JSON: why it failed as a whole.</summary>
    public string? Faults { get; init; }

    /// <summary>The answers.</summary>
    public Guid? OutputFileId { get; init; }

    /// <summary>Everything else.</summary>
    public Guid? ErrorFileId { get; init; }

    /// <summary>When its file had been read.</summary>
    public DateTimeOffset? InProgressAt { get; init; }

    /// <summary>When its end was asked for.</summary>
    public DateTimeOffset? CancellingAt { get; init; }

    /// <summary>When its last line had ended.</summary>
    public DateTimeOffset? FinalizingAt { get; init; }

    /// <summary>When it was over.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Lines that are jobs which have not ended.</summary>
    public int Submitted { get; init; }

    /// <summary>Lines that were answered.</summary>
    public int Answered { get; init; }

    /// <summary>Lines that ended otherwise.</summary>
    public int Missed { get; init; }

    /// <summary>Lines that are no jobs yet.</summary>
    public int Waiting => Lines - Submitted - Answered - Missed;
}

/// <summary>What became of a wish for a batch.</summary>
public abstract record BatchAddition
{
    private BatchAddition() { }

    /// <summary>Somebody begins with it within a second.</summary>
    /// <param name="Batch">As it is stored.</param>
    public sealed record Made(Batch Batch) : BatchAddition;

    /// <summary>There is no such file for batches.</summary>
    public sealed record NoFile : BatchAddition;

    /// <summary>The tenant has as many that have not ended as it may.</summary>
    /// <param name="Open">How many.</param>
    public sealed record TooMany(int Open) : BatchAddition;

    /// <summary>Its tenant is being deleted.</summary>
    public sealed record NoTenant : BatchAddition;
}

/// <summary>A request of a batch.</summary>
/// <param name="Line">Its number, from 1.</param>
/// <param name="CustomId">What its owner calls it.</param>
/// <param name="Start">Its first byte in the file.</param>
/// <param name="Length">Its bytes.</param>
public sealed record BatchLine(int Line, string CustomId, long Start, int Length)
{
    /// <summary>How it stands.</summary>
    public LineState State { get; init; }

    /// <summary>Its job; null when it became none.</summary>
    public Guid? JobId { get; init; }

    /// <summary>Of a refusal, the HTTP status.</summary>
    public short? StatusCode { get; init; }

    /// <summary>Of a refusal, its body as JSON.</summary>
    public string? Error { get; init; }
}
