using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Money;

namespace AiBackend.Web.Costs;

/// <summary>What the page of costs shows, taken at one moment.</summary>
/// <param name="Address">The view it is of.</param>
/// <param name="Today">The sums of today, which move when those of any day do.</param>
/// <param name="Days">Every day with calls, newest first.</param>
/// <param name="Rows">As the view tells calls apart.</param>
/// <param name="Budgets">Those that hold here.</param>
/// <param name="Alerts">Those about budgets that are not over.</param>
public sealed record CostsSnapshot(
    string Address,
    IReadOnlyList<UsageRow> Today,
    IReadOnlyList<UsageRow> Days,
    IReadOnlyList<UsageRow> Rows,
    IReadOnlyList<Budget> Budgets,
    IReadOnlyList<Alert> Alerts
);
