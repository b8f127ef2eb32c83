using System.Globalization;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>Which steps of a run a list shows. Steps stand in the order in which they began, so that a place in the list stays valid.</summary>
/// <param name="After">The last step of the page before; null begins with the first.</param>
/// <param name="Limit">Steps on the page.</param>
internal readonly record struct StepPage((string Name, int? Item)? After, int Limit)
{
    public const int MaxLimit = 200;
    public const int UsualLimit = 100;

    /// <returns>Why the query is refused, or null.</returns>
    public static Refusal? TryRead(HttpRequest request, out StepPage page)
    {
        string? cursor = null;
        var limit = UsualLimit;
        var refusal =
            QueryParameters.CheckNames(request, "limit", "cursor")
            ?? QueryParameters.TryReadNumber(request, "limit", 1, MaxLimit, UsualLimit, out limit)
            ?? QueryParameters.TryReadText(request, "cursor", out cursor);
        var after = cursor is null ? null : Read(cursor);
        page = new(after, limit);
        return refusal
            ?? (
                cursor is not null && after is null
                    ? ProblemTypes.BadCursor.With($"The cursor {Quoted.Of(cursor)} is not one of this list. Begin without one.")
                    : null
            );
    }

    public static string CursorOf(RunStepState last) =>
        last.Index is { } item ? FormattableString.Invariant($"{last.Name}.{item}") : last.Name;

    private static (string, int?)? Read(string cursor) =>
        cursor.Split('.') switch
        {
            [var name] => (name, null),
            [var name, var item] when int.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture, out var index) => (name, index),
            _ => null,
        };
}
