using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.DeadLetters;

/// <summary>Which open dead letters a bulk action takes. Every member narrows; none of them takes all.</summary>
public sealed record BulkFilter
{
    /// <summary>Only this cause.</summary>
    public string? Fingerprint { get; init; }

    /// <summary>Only errors of this class.</summary>
    public string? Class { get; init; }

    /// <summary>Only errors with this code.</summary>
    public string? Code { get; init; }

    /// <summary>Only jobs for this route or model.</summary>
    public string? Model { get; init; }

    /// <summary>Only jobs that died at or after this time.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only jobs that died before this time.</summary>
    public DateTimeOffset? Before { get; init; }
}

/// <summary>Body of <c>POST /api/v1/dead-letters/replay</c>: <see cref="Filter"/> or <see cref="Ids"/>, not both.</summary>
public sealed record BulkReplayRequest
{
    /// <summary>Which letters; <c>{}</c> is all of them.</summary>
    public BulkFilter? Filter { get; init; }

    /// <summary>The jobs of the letters, at most 1000. Those that are no open dead letters are left out.</summary>
    public IReadOnlyList<Guid>? Ids { get; init; }

    /// <summary>Another route or model for all of the new jobs; null keeps each job's own.</summary>
    public string? Model { get; init; }

    /// <summary>New jobs a second, 1 to 100. Default 10.</summary>
    public int? Rate { get; init; }

    /// <summary>One job first, then ten, then the rest, each after the ones before have ended; stops when one of them dies of its old cause. Default true.</summary>
    public bool? Canary { get; init; }

    /// <summary>Only says how many letters it would be and what they may cost. Default false.</summary>
    public bool? DryRun { get; init; }
}

/// <summary>Body of <c>POST /api/v1/dead-letters/discard</c>: <see cref="Filter"/> or <see cref="Ids"/>, not both.</summary>
public sealed record BulkDiscardRequest
{
    /// <summary>Which letters; <c>{}</c> is all of them.</summary>
    public BulkFilter? Filter { get; init; }

    /// <summary>The jobs of the letters, at most 1000. Those that are no open dead letters are left out.</summary>
    public IReadOnlyList<Guid>? Ids { get; init; }

    /// <summary>Only says how many letters it would be. Default false.</summary>
    public bool? DryRun { get; init; }
}

/// <summary>What a bulk action would do, from what the attempts of the same jobs used before.</summary>
/// <param name="Letters">Open letters that it would take.</param>
/// <param name="LettersWithUsage">Those whose attempts reported tokens; the others are not in the sums.</param>
/// <param name="InputTokens">Tokens those read before, over all attempts.</param>
/// <param name="OutputTokens">Tokens those wrote before.</param>
/// <param name="LettersWithCost">Those whose attempts have a known price; the others are not in the cost.</param>
/// <param name="CostUsd">What those cost before, in US dollars; null when nothing is known.</param>
public sealed record BulkPreview(
    long Letters,
    long LettersWithUsage,
    long InputTokens,
    long OutputTokens,
    long LettersWithCost,
    decimal? CostUsd
);

/// <summary>A bulk action and how far it is.</summary>
public sealed record BulkAction
{
    /// <summary>Names it.</summary>
    public required Guid Id { get; init; }

    /// <summary>Always <c>bulk_action</c>.</summary>
    public string Object { get; init; } = "bulk_action";

    /// <summary><c>replay</c> or <c>discard</c>.</summary>
    public required string Kind { get; init; }

    /// <summary><c>running</c>, <c>completed</c>, <c>stopped</c> (the cause persists) or <c>cancelled</c>.</summary>
    public required string Status { get; init; }

    /// <summary>With <see cref="Canary"/>: 1 for the first letter, 2 for the next ten, 3 for the rest. Otherwise 3.</summary>
    public required int Stage { get; init; }

    /// <summary>Whether it goes 1, 10, rest.</summary>
    public required bool Canary { get; init; }

    /// <summary>Letters a second.</summary>
    public required int Rate { get; init; }

    /// <summary>Model of the new jobs; null keeps each job's own.</summary>
    public string? Model { get; init; }

    /// <summary>Which letters it took; null when they were named by their ids.</summary>
    public BulkFilter? Filter { get; init; }

    /// <summary>Letters it took when it began.</summary>
    public required long Total { get; init; }

    /// <summary>Letters not dealt with yet.</summary>
    public required long Waiting { get; init; }

    /// <summary>Letters it replayed or discarded.</summary>
    public required long Done { get; init; }

    /// <summary>Letters somebody else replayed or discarded first.</summary>
    public required long Skipped { get; init; }

    /// <summary>What became of its new jobs; null for a discard.</summary>
    public BulkOutcomes? Outcomes { get; init; }

    /// <summary>Why it stopped; null unless it did.</summary>
    public string? StopReason { get; init; }

    /// <summary>The new job that died of its old cause; null unless that stopped it.</summary>
    public Guid? StoppedBy { get; init; }

    /// <summary>Public id of the API key that began it.</summary>
    public required string CreatedBy { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it ended; null while it runs.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>Whether it has ended.</summary>
    [JsonIgnore]
    public bool HasEnded => Status != "running";
}

/// <summary>New jobs of a replay by where they stand.</summary>
/// <param name="Running">Not ended yet.</param>
/// <param name="Succeeded">Completed, at least partially.</param>
/// <param name="Failed">Failed for good.</param>
/// <param name="Cancelled">Cancelled.</param>
public sealed record BulkOutcomes(long Running, long Succeeded, long Failed, long Cancelled);

/// <summary>Bulk actions, newest first.</summary>
/// <param name="Data">At most the 50 newest.</param>
public sealed record BulkActionList(IReadOnlyList<BulkAction> Data);
