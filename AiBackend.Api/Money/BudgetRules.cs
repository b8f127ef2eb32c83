using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Money;
using AiBackend.Core.Money;
using Budget = AiBackend.Core.Money.Budget;

namespace AiBackend.Api.Money;

/// <summary>What a budget may be.</summary>
internal static class BudgetRules
{
    private const decimal MostLimit = 1_000_000_000;
    private const int MostThresholds = 5;
    private const int MostSubject = 128;

    private static readonly int[] DefaultThresholds = [80, 100];

    /// <returns>Why there can be no such budget, or null; then <paramref name="budget"/> is set.</returns>
    public static Refusal? CheckNew(BudgetRequest request, Guid tenantId, out Budget budget)
    {
        var errors = new FieldErrors();
        if (!BudgetNames.TryParseScope(request.Scope, out var scope))
        {
            errors.Add("scope", $"is {Given(request.Scope)}; it must be one of {string.Join(", ", BudgetNames.Scopes)}.");
        }

        if (!BudgetNames.TryParsePeriod(request.Window, out var period))
        {
            errors.Add("window", $"is {Given(request.Window)}; it must be one of {string.Join(", ", BudgetNames.Periods)}.");
        }

        var hasSubject = scope is BudgetScope.Key or BudgetScope.User or BudgetScope.Feature;
        if (hasSubject && request.Subject is null)
        {
            errors.Add("subject", $"is missing; name the {scope.ToWire()} that the budget is about.");
        }
        else if (!hasSubject && request.Subject is not null)
        {
            errors.Add("subject", "is only for the scopes key, user and feature; leave it out.");
        }

        errors.CheckText("subject", request.Subject, MostSubject);
        budget = new Budget
        {
            Id = Guid.CreateVersion7(),
            TenantId = tenantId,
            Scope = scope,
            Subject = request.Subject ?? "",
            Period = period,
            LimitUsd = 0,
            Hard = true,
            Thresholds = [],
        };
        return Check(request, errors, ref budget);
    }

    /// <returns>Why it cannot be changed so, or null; then <paramref name="changed"/> is set.</returns>
    public static Refusal? CheckChange(BudgetRequest request, Budget budget, out Budget changed)
    {
        var errors = new FieldErrors();
        Stays("scope", request.Scope, budget.Scope.ToWire());
        Stays("subject", request.Subject, budget.Subject);
        Stays("window", request.Window, budget.Period.ToWire());
        changed = budget;
        return Check(request, errors, ref changed);

        void Stays(string field, string? wanted, string has)
        {
            if (wanted is not null && wanted != has)
            {
                errors.Add(field, $"is {Quoted.Of(wanted)}, but the budget's is {Quoted.Of(has)} and cannot change. Add another budget.");
            }
        }
    }

    private static Refusal? Check(BudgetRequest request, FieldErrors errors, ref Budget budget)
    {
        var limit = request.LimitUsd;
        if (limit is null or < 0 or > MostLimit || decimal.Round(limit.Value, PriceRates.Decimals) != limit)
        {
            errors.Add(
                "limit_usd",
                FormattableString.Invariant(
                    $"is {(limit is null ? "missing" : limit)}; it must be from 0 to {MostLimit} US dollars, with at most {PriceRates.Decimals} decimals."
                )
            );
        }

        var thresholds = request.Thresholds ?? DefaultThresholds;
        if (thresholds.Count > MostThresholds || thresholds.Any(percent => percent is < 1 or > 100))
        {
            errors.Add("thresholds", $"must be up to {MostThresholds} whole percents from 1 to 100.");
        }

        budget = budget with
        {
            LimitUsd = limit ?? 0,
            Hard = request.Hard ?? true,
            Thresholds = [.. thresholds.Where(percent => percent is >= 1 and <= 100).Distinct().Order().Select(percent => (short)percent)],
        };
        return errors.ToRefusal();
    }

    private static string Given(string? value) => value is null ? "missing" : Quoted.Of(value);
}
