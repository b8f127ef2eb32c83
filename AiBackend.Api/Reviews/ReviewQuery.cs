using System.Globalization;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Jobs.Waits;

namespace AiBackend.Api.Reviews;

/// <summary>What the address of the list of reviews asks for.</summary>
/// <param name="Open">Open ones, or decided ones.</param>
/// <param name="Reason">Only of this reason; null is every.</param>
/// <param name="Limit">Entries on a page.</param>
/// <param name="After">Where the page begins; null is the beginning.</param>
internal sealed record ReviewQuery(bool Open, string? Reason, int Limit, ReviewPlace? After)
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 200;
    private const int MaxReasonLength = 64;

    private static readonly string[] Names = ["state", "reason", "limit", "cursor"];

    /// <returns>Why the query is refused, or null.</returns>
    public static Refusal? TryRead(HttpRequest request, out ReviewQuery query)
    {
        query = new(true, null, DefaultLimit, null);
        string? state = null,
            reason = null,
            cursor = null;
        var limit = DefaultLimit;
        var refusal =
            QueryParameters.CheckNames(request, Names)
            ?? QueryParameters.TryReadNumber(request, "limit", 1, MaxLimit, DefaultLimit, out limit)
            ?? QueryParameters.TryReadText(request, "state", out state)
            ?? QueryParameters.TryReadText(request, "reason", out reason)
            ?? QueryParameters.TryReadText(request, "cursor", out cursor)
            ?? CheckState(state)
            ?? CheckReason(reason);
        if (refusal is not null)
        {
            return refusal;
        }

        query = new(state != ReviewStates.Decided, reason, limit, null);
        if (cursor is null)
        {
            return null;
        }

        // The cursor of jobs names the job; the attempt goes before it.
        var parts = cursor.Split('.');
        if (
            parts.Length == 2
            && short.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var attempt)
            && JobCursor.Read(parts[1], query.Marks(attempt)) is { } jobId
        )
        {
            query = query with { After = new(jobId, attempt) };
            return null;
        }

        return ProblemTypes.BadCursor.With(
            $"cursor is {Quoted.Of(cursor)}, which is not the next_cursor of a page with the same filters. Ask for the first page again, without a cursor."
        );
    }

    /// <summary>For the page after the one that ends there.</summary>
    public string CursorAfter(Review last) =>
        FormattableString.Invariant($"{last.Attempt}.{JobCursor.Write(last.JobId, Marks(last.Attempt))}");

    private string Marks(int attempt) => FormattableString.Invariant($"reviews|{Open}|{Reason}|{attempt}");

    private static Refusal? CheckState(string? state) =>
        state is null or ReviewStates.Open or ReviewStates.Decided
            ? null
            : ProblemTypes.InvalidValue.At(
                "state",
                $"state is {Quoted.Of(state)}; it must be {ReviewStates.Open} or {ReviewStates.Decided}."
            );

    private static Refusal? CheckReason(string? reason) =>
        reason?.Length is 0 or > MaxReasonLength
            ? ProblemTypes.InvalidValue.At("reason", $"reason is {Quoted.Of(reason!)}; it must have 1 to {MaxReasonLength} characters.")
            : null;
}
