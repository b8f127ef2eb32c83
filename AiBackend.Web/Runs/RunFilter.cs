using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Web.Runs;

/// <summary>The filters of “My runs”, as they stand in the address.</summary>
/// <param name="Name">Value of <c>status</c> in the address; empty for all.</param>
/// <param name="Word">What the page calls it.</param>
/// <param name="Statuses">What the Api is asked for.</param>
internal sealed record RunFilter(string Name, string Word, IReadOnlyList<string> Statuses)
{
    public static IReadOnlyList<RunFilter> All { get; } =
    [
        new("", "All", []),
        new(
            "active",
            "Going on",
            [
                JobStatuses.Scheduled,
                JobStatuses.Queued,
                JobStatuses.Processing,
                JobStatuses.WaitingForTool,
                JobStatuses.WaitingForReview,
                JobStatuses.Retrying,
            ]
        ),
        new("done", "Done", [JobStatuses.Completed, JobStatuses.PartiallyCompleted]),
        new("failed", "Failed", [JobStatuses.Failed]),
        new("stopped", "Stopped", [JobStatuses.Cancelled]),
    ];

    /// <summary>The filter of this name; an unknown one shows everything.</summary>
    public static RunFilter Of(string? name) =>
        All.FirstOrDefault(filter => string.Equals(filter.Name, name, StringComparison.Ordinal)) ?? All[0];

    public string Address(string? cursor = null)
    {
        string[] query =
        [
            .. Name.Length > 0 ? ["status=" + Name] : Array.Empty<string>(),
            .. cursor is not null ? ["cursor=" + Uri.EscapeDataString(cursor)] : Array.Empty<string>(),
        ];
        return query.Length == 0 ? "runs" : "runs?" + string.Join('&', query);
    }
}
