namespace AiBackend.Core.Jobs.Waits;

/// <summary>What a job waits for. The numbers are stored; never renumber.</summary>
public enum WaitKind : short
{
    /// <summary>The result of an external tool.</summary>
    Tool = 1,

    /// <summary>A person's decision.</summary>
    Review = 2,
}

/// <summary>What happens when nobody answers in time. The numbers are stored; never renumber.</summary>
public enum WaitDefault : short
{
    /// <summary>The job fails, with <c>wait_timeout</c>.</summary>
    Fail = 1,

    /// <summary>Another attempt begins, and finds that nobody answered.</summary>
    Continue = 2,

    /// <summary>The proposed result is taken; only for a review.</summary>
    Accept = 3,

    /// <summary>The proposed result is refused, as a reviewer would, and the job fails; only for a review.</summary>
    Reject = 4,
}

/// <summary>How a wait ended. The numbers are stored; never renumber.</summary>
public enum WaitAnswer : short
{
    /// <summary>The job goes on: the tool has answered, or the reviewer wants another attempt.</summary>
    Continued = 1,

    /// <summary>The proposed result, perhaps edited, is the job's result.</summary>
    Accepted = 2,

    /// <summary>The proposed result was refused, and the job has failed.</summary>
    Rejected = 3,

    /// <summary>Nobody answered in time.</summary>
    TimedOut = 4,

    /// <summary>The job had ended without the answer, by a cancel or its deadline.</summary>
    Moot = 5,
}

/// <summary>What an answer says.</summary>
/// <param name="Answer">How the wait ends.</param>
public sealed record ReviewReply(WaitAnswer Answer)
{
    /// <summary>For <see cref="WaitAnswer.Accepted"/>: the result in the reviewer's words; null takes it as proposed.</summary>
    public string? Text { get; init; }

    /// <summary>JSON for whoever asked; null says nothing.</summary>
    public string? Words { get; init; }

    /// <summary>Who decides; null where nobody has to be named.</summary>
    public string? By { get; init; }

    /// <summary>The version that was seen: a later one refuses the reply; null does not matter.</summary>
    public int? Version { get; init; }

    /// <summary>The text breaks the contract, knowingly.</summary>
    public bool Overrides { get; init; }
}

/// <summary>Names one wait: a job can wait several times, each time after another attempt.</summary>
/// <param name="TenantId">Whose job it is.</param>
/// <param name="JobId">The job.</param>
/// <param name="Attempt">The attempt that asked.</param>
public readonly record struct WaitKey(Guid TenantId, Guid JobId, int Attempt);

/// <summary>What an attempt asks for before the job can go on.</summary>
/// <param name="Question">JSON: the tool's arguments, or what a reviewer must know.</param>
/// <param name="Timeout">How long to wait; null waits until the job's deadline, or for ever.</param>
/// <param name="OnTimeout">What happens then.</param>
public sealed record JobQuestion(string Question, TimeSpan? Timeout = null, WaitDefault OnTimeout = WaitDefault.Fail);

/// <summary>A wait as its row tells it.</summary>
public sealed record JobWait
{
    /// <summary>The attempt that asked.</summary>
    public required int Attempt { get; init; }

    /// <summary>What was asked for.</summary>
    public required WaitKind Kind { get; init; }

    /// <summary>JSON, as asked.</summary>
    public required string Question { get; init; }

    /// <summary>The result that a reviewer may accept; null for a tool.</summary>
    public string? Proposal { get; init; }

    /// <summary>When it ends by itself; null when it does not.</summary>
    public DateTimeOffset? TimeoutAt { get; init; }

    /// <summary>How it ended; null while it lasts.</summary>
    public WaitAnswer? Answer { get; init; }

    /// <summary>JSON, as answered; null when nothing was.</summary>
    public string? AnswerData { get; init; }
}
