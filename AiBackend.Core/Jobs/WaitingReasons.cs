namespace AiBackend.Core.Jobs;

/// <summary>Codes that say why a job waits.</summary>
public static class WaitingReasons
{
    /// <summary>Its earliest start lies ahead.</summary>
    public const string Scheduled = "scheduled";

    /// <summary>Every slot is taken.</summary>
    public const string Capacity = "capacity";

    /// <summary>An attempt failed; the next one has a time.</summary>
    public const string Backoff = "backoff";

    /// <summary>A tool has not answered yet.</summary>
    public const string Tool = "tool";

    /// <summary>A person has not decided yet.</summary>
    public const string Review = "review";

    /// <summary>An attempt failed and its provider gets no more retries for now; followed by a colon and the provider's name.</summary>
    public const string RetryBudget = "retry_budget";

    /// <summary>What a deployment allows is used up for now; followed by provider/model and the limit, with colons.</summary>
    public const string RateLimit = "rate_limit";

    /// <summary>A budget is spent; followed by its scope, what it is of, and its window, or by <c>unpriced</c> and provider/model, with colons. In front of the scope, <c>too_large</c>: all of the limit would not do.</summary>
    public const string Budget = "budget";

    /// <summary>Every deployment that could answer is down; followed by a colon and the name of the provider that is looked at first.</summary>
    public const string ProviderDown = "provider_down";

    /// <summary>An operator holds it back; followed by a colon, <c>queue</c>, <c>tenant</c>, <c>model</c> or <c>provider</c>, a slash and the name.</summary>
    public const string Paused = "paused";

    /// <summary>An equal job asks for it; followed by a colon and that job's id.</summary>
    public const string SingleFlight = "single_flight";

    /// <summary>The database did not answer when something for the model was looked up.</summary>
    public const string Storage = "storage";

    /// <summary>Another job of its conversation comes first; followed by a colon and that job's id.</summary>
    public const string Conversation = "conversation";

    /// <summary>As many jobs run as may; followed by a colon and whose limit it is, <c>key</c> or <c>tenant</c>.</summary>
    public const string RunningLimit = "running_limit";

    /// <summary>The step's tool has no calls left in this minute; followed by a colon and the tool's name.</summary>
    public const string ToolRate = "tool_rate";

    /// <summary>Waits in which nobody was asked and nobody has failed.</summary>
    internal static readonly string[] OfNoFailure =
    [
        RateLimit,
        RunningLimit,
        Budget,
        Paused,
        SingleFlight,
        Steps,
        Storage,
        Conversation,
        ToolRate,
    ];

    /// <summary>The steps of the workflow's run are under way.</summary>
    public const string Steps = "steps";

    /// <summary>Its worker died twice, so it waits for a process of its own.</summary>
    public const string Isolation = "isolation";

    // In place of a limit's name (Providers/Admission/ICallPace.cs).
    private const string Pace = "pace";

    /// <summary>Whether a provider's limit, or the pace it has set, keeps the job waiting.</summary>
    public static bool IsLimit(string? reason) => reason is not null && reason.StartsWith(RateLimit, StringComparison.Ordinal);

    /// <summary>Of a reason that <see cref="IsLimit"/>: the deployment, as provider/model, or its pace; all limits of a deployment are one line.</summary>
    public static string LimitOf(string reason) => DeploymentOf(reason) ?? reason[(RateLimit.Length + 1)..];

    /// <summary>The deployment, as provider/model, for whose limit a job waits and at which it keeps its place; null when it waits for nothing of the kind.</summary>
    /// <remarks>A pace has no places: it is found out anew.</remarks>
    public static string? DeploymentOf(string reason)
    {
        // A model's name may have colons of its own.
        var (begin, end) = (reason.IndexOf(':', StringComparison.Ordinal), reason.LastIndexOf(':'));
        return reason.StartsWith(RateLimit, StringComparison.Ordinal) && end > begin && reason[(end + 1)..] != Pace
            ? reason[(begin + 1)..end]
            : null;
    }
}
