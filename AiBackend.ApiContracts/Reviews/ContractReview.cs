using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Reviews;

/// <summary>How long a person may take to decide, and what happens then.</summary>
public sealed record ContractReview
{
    /// <summary>1 second to 30 days; left out, as the installation says, and then as long as the job may wait.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? TimeoutSeconds { get; init; }

    /// <summary>One of <see cref="ReviewTimeouts"/>; left out, as the installation says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OnTimeout { get; init; }
}

/// <summary>What happens to a review that nobody decides in time.</summary>
public static class ReviewTimeouts
{
    /// <summary>The proposed result is the job's.</summary>
    public const string Accept = "accept";

    /// <summary>The result is refused: the job fails with <c>review_rejected</c>.</summary>
    public const string Reject = "reject";

    /// <summary>The job fails with <c>wait_timeout</c>.</summary>
    public const string Fail = "fail";

    /// <summary>Another attempt follows, at most three times.</summary>
    public const string Continue = "continue";

    /// <summary>Every one of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Accept, Reject, Fail, Continue];
}
