using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Contracts;

namespace AiBackend.ApiContracts.Reviews;

/// <summary>A result that waits, or waited, for a person's decision.</summary>
public sealed record Review
{
    /// <summary>Names the job and the attempt whose result it is: <c>{job}-{attempt}</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The job.</summary>
    public required Guid JobId { get; init; }

    /// <summary>The attempt.</summary>
    public required int Attempt { get; init; }

    /// <summary>Send it with a decision: what was changed meanwhile is not decided unseen.</summary>
    public required int Version { get; init; }

    /// <summary>One of <see cref="ReviewStates"/>.</summary>
    public required string State { get; init; }

    /// <summary>One of <see cref="ReviewReasons"/>.</summary>
    public required string Reason { get; init; }

    /// <summary>First words of the job's input.</summary>
    public string? Title { get; init; }

    /// <summary>The route or model that was asked for.</summary>
    public required string Model { get; init; }

    /// <summary>The feature that the job's caller named.</summary>
    public string? Feature { get; init; }

    /// <summary>When the attempt asked.</summary>
    public required DateTimeOffset AskedAt { get; init; }

    /// <summary>When it is decided without a person; null when it waits for one, as long as its job may.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>What happens then, one of <see cref="ReviewTimeouts"/>; null without <see cref="DueAt"/>.</summary>
    public string? OnTimeout { get; init; }

    /// <summary>Who has it in hand; null when nobody has.</summary>
    public ReviewClaim? Claim { get; init; }

    /// <summary>What became of it; null while it is open.</summary>
    public ReviewDecision? Decision { get; init; }

    /// <summary>Why a person is asked. Not in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReviewQuestion? Question { get; init; }

    /// <summary>The result if it is approved as it is. Not in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Proposal { get; init; }

    /// <summary>What the job was asked to do. Not in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Input { get; init; }

    /// <summary>What the result must be; null is anything. Not in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OutputContract? Contract { get; init; }

    /// <summary>Whether the job's model was given passages, files, results of tools or what was said before, which a result may quote too. Not told.</summary>
    [JsonIgnore]
    public bool MayQuoteMore { get; init; }
}

/// <summary>Who has a review in hand: nobody else can decide it meanwhile.</summary>
/// <param name="By">Public id of the API key, or the user.</param>
/// <param name="Until">When it is free again, unless it is claimed anew.</param>
public sealed record ReviewClaim(string By, DateTimeOffset Until);

/// <summary>What became of a review.</summary>
/// <param name="Kind">One of <see cref="ReviewDecisions"/>.</param>
/// <param name="At">When.</param>
public sealed record ReviewDecision(string Kind, DateTimeOffset At)
{
    /// <summary>Public id of the API key, or the user; null when no person decided.</summary>
    public string? By { get; init; }

    /// <summary>The result is in the reviewer's words.</summary>
    public bool Edited { get; init; }

    /// <summary>Those words break the contract, and the reviewer said that they may.</summary>
    public bool Overridden { get; init; }

    /// <summary>What the reviewer said.</summary>
    public string? Comment { get; init; }

    /// <summary>What the contract says about the reviewer's words; null when they were not looked at.</summary>
    public ContractCheck? Check { get; init; }
}

/// <summary>A page of reviews.</summary>
/// <param name="Data">The reviews.</param>
/// <param name="NextCursor">For the next page; null when this is the last.</param>
/// <param name="Open">How many are open, whatever the filters; 1000 is that many or more.</param>
public sealed record ReviewPage(IReadOnlyList<Review> Data, string? NextCursor, int Open);

/// <summary>Approves a result.</summary>
public sealed record ApproveReviewRequest
{
    /// <summary>The version that was seen.</summary>
    public int? Version { get; init; }

    /// <summary>The result in other words, checked by the job's contract; left out, it is taken as proposed.</summary>
    public string? Text { get; init; }

    /// <summary>Takes <see cref="Text"/> although it breaks the contract; needs a <see cref="Comment"/>.</summary>
    public bool? Override { get; init; }

    /// <summary>What there is to say, at most 2000 characters.</summary>
    public string? Comment { get; init; }
}

/// <summary>Refuses a result.</summary>
public sealed record RejectReviewRequest
{
    /// <summary>The version that was seen.</summary>
    public int? Version { get; init; }

    /// <summary>What there is to say, at most 2000 characters; with <see cref="Continue"/> the model is told.</summary>
    public string? Comment { get; init; }

    /// <summary>Another attempt follows; otherwise the job fails.</summary>
    public bool? Continue { get; init; }
}

/// <summary>Whether a review is decided.</summary>
public static class ReviewStates
{
    /// <summary>It waits.</summary>
    public const string Open = "open";

    /// <summary>It does not wait any more.</summary>
    public const string Decided = "decided";
}

/// <summary>What can become of a review.</summary>
public static class ReviewDecisions
{
    /// <summary>The result, perhaps edited, is the job's.</summary>
    public const string Approved = "approved";

    /// <summary>The result is refused, and the job has failed.</summary>
    public const string Rejected = "rejected";

    /// <summary>The job went on with another attempt.</summary>
    public const string Continued = "continued";

    /// <summary>Nobody decided in time.</summary>
    public const string TimedOut = "timed_out";

    /// <summary>The job ended without a decision, by a cancel or its deadline.</summary>
    public const string Moot = "moot";
}
