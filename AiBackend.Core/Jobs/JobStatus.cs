using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Core.Jobs;

/// <summary>Where a job stands. The numbers are stored; never renumber.</summary>
/// <remarks>
/// Statements tell ended jobs by <c>status &gt;= 6</c>, also those of the version before: a new final status takes the next number, a new
/// one that is not final a number below 0.
/// </remarks>
public enum JobStatus : short
{
    /// <summary>Not before a given time; the dispatcher moves it on when due.</summary>
    Scheduled = 0,

    /// <summary>Waiting for a slot or a limit; a worker's claim moves it on.</summary>
    Queued = 1,

    /// <summary>Leased by a worker, which moves it on; the rescuer does when the lease expires.</summary>
    Processing = 2,

    /// <summary>Needs an external tool result; holds no slot and no lease.</summary>
    WaitingForTool = 3,

    /// <summary>A person must decide; holds no slot and no lease.</summary>
    WaitingForReview = 4,

    /// <summary>Failed in a retryable way; the dispatcher moves it on when the next attempt is due.</summary>
    Retrying = 5,

    /// <summary>Final: the whole result exists.</summary>
    Completed = 6,

    /// <summary>Final: useful output exists, with what is missing.</summary>
    PartiallyCompleted = 7,

    /// <summary>Final: no useful output.</summary>
    Failed = 8,

    /// <summary>Final: ended by a caller or operator.</summary>
    Cancelled = 9,
}

/// <summary>Names of <see cref="JobStatus"/> on the wire.</summary>
public static class JobStatusNames
{
    private static readonly string[] Names =
    [
        JobStatuses.Scheduled,
        JobStatuses.Queued,
        JobStatuses.Processing,
        JobStatuses.WaitingForTool,
        JobStatuses.WaitingForReview,
        JobStatuses.Retrying,
        JobStatuses.Completed,
        JobStatuses.PartiallyCompleted,
        JobStatuses.Failed,
        JobStatuses.Cancelled,
    ];

    /// <summary>Every name, in the order of the enum.</summary>
    public static IReadOnlyList<string> All => Names;

    /// <summary>The wire name of a status; one of a newer version reads as <c>unknown</c>.</summary>
    public static string ToWire(this JobStatus status) => Names.ElementAtOrDefault((int)status) ?? "unknown";

    /// <summary>Whether the job can no longer change.</summary>
    public static bool IsTerminal(this JobStatus status) => status >= JobStatus.Completed;

    /// <returns>False when <paramref name="name"/> is not a status; then <paramref name="status"/> is meaningless.</returns>
    public static bool TryParse(string name, out JobStatus status)
    {
        var index = Array.IndexOf(Names, name);
        status = (JobStatus)index;
        return index >= 0;
    }
}
