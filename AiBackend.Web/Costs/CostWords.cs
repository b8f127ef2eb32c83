using System.Globalization;
using AiBackend.ApiContracts.Money;
using AiBackend.Web.Runs;
using static System.FormattableString;

namespace AiBackend.Web.Costs;

/// <summary>Amounts, groups and budgets in words.</summary>
internal static class CostWords
{
    /// <summary>What a row is about.</summary>
    public static string Group(UsageRow row, string by) =>
        by switch
        {
            "day" => row.Day is { } day ? day.ToString("ddd d MMM yyyy", CultureInfo.InvariantCulture) : "–",
            "model" => $"{row.Provider}/{row.Model}",
            "feature" => Named(row.Feature),
            "user" => Named(row.User),
            "key" => Named(row.Key),
            _ => Named(row.Tenant),
        };

    /// <summary>Known cost, with what may have been billed beside it.</summary>
    public static decimal Total(UsageRow row) => row.CostUsd + row.UnknownUsd;

    /// <summary>A number of tokens, with the part that was special.</summary>
    public static string Tokens(long all, long part, string what) =>
        part == 0 ? RunWords.Number(all) : $"{RunWords.Number(all)} ({RunWords.Number(part)} {what})";

    /// <summary>Whose calls a budget is about.</summary>
    public static string Scope(Budget budget) =>
        budget.Scope switch
        {
            "global" => "Everybody",
            "tenant" => $"Tenant {budget.Tenant}",
            "key" => $"Key {budget.Subject}",
            "user" => $"User {budget.Subject}",
            "feature" => $"Feature {budget.Subject}",
            _ => budget.Scope,
        };

    /// <summary>How long it counts.</summary>
    public static string Window(Budget budget) =>
        budget.Window switch
        {
            "total" => "in total",
            "hour" => "an hour",
            var window => "a " + window,
        };

    /// <summary>How near it is to its end: <c>spent</c> (or jobs wait for room), <c>near</c> (a threshold is reached) or <c>well</c>.</summary>
    public static string State(Budget budget) =>
        budget.HoldsBack || Percent(budget) >= 100 ? "spent"
        : budget.Thresholds.Any(threshold => Percent(budget) >= threshold) ? "near"
        : "well";

    /// <summary>The same for people.</summary>
    public static string StateWord(Budget budget) =>
        State(budget) switch
        {
            "spent" => budget.HoldsBack ? "No room: jobs wait" : "Spent",
            "near" => Invariant($"{Math.Floor(Percent(budget)):0} % spent"),
            _ => "Well",
        };

    /// <summary>What a part of the limit is, from 0 to 100 per cent of its bar.</summary>
    public static string Width(decimal part, Budget budget) =>
        Invariant($"width: {(budget.LimitUsd <= 0 ? 100 : Math.Clamp(100 * part / budget.LimitUsd, 0, 100)):0.##}%");

    private static decimal Percent(Budget budget) => budget.LimitUsd <= 0 ? 100 : 100 * budget.SpentUsd / budget.LimitUsd;

    private static string Named(string? value) => string.IsNullOrEmpty(value) ? "none" : value;
}
