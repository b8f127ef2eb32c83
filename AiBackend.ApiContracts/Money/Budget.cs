namespace AiBackend.ApiContracts.Money;

/// <summary>How much may be spent in a window.</summary>
public sealed record Budget
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>The tenant it was made for, by its name; null when it is about everybody.</summary>
    public string? Tenant { get; init; }

    /// <summary>Whose calls it is about: <c>global</c>, <c>tenant</c>, <c>key</c>, <c>user</c> or <c>feature</c>.</summary>
    public required string Scope { get; init; }

    /// <summary>Which key (its public id), user or feature; null for the other scopes.</summary>
    public string? Subject { get; init; }

    /// <summary><c>minute</c>, <c>hour</c>, <c>day</c>, <c>month</c> (in UTC) or <c>total</c>.</summary>
    public required string Window { get; init; }

    /// <summary>The limit in US dollars.</summary>
    public required decimal LimitUsd { get; init; }

    /// <summary>Jobs beyond it wait; one that is not hard only tells.</summary>
    public required bool Hard { get; init; }

    /// <summary>Percents of the limit that raise an alert, once in a window.</summary>
    public required IReadOnlyList<int> Thresholds { get; init; }

    /// <summary>US dollars spent in the current window.</summary>
    public decimal SpentUsd { get; init; }

    /// <summary>US dollars set aside for calls that are under way.</summary>
    public decimal ReservedUsd { get; init; }

    /// <summary>Whether jobs wait because it has no room for their calls.</summary>
    public bool HoldsBack { get; init; }

    /// <summary>Begin of the current window.</summary>
    public DateTimeOffset WindowStartedAt { get; init; }

    /// <summary>Its end; null when it has none.</summary>
    public DateTimeOffset? WindowEndsAt { get; init; }

    /// <summary>When it was made: it counts calls from then on.</summary>
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>What a budget is to be. A change may leave out scope, subject and window, which stay.</summary>
public sealed record BudgetRequest
{
    /// <summary><c>global</c>, <c>tenant</c>, <c>key</c>, <c>user</c> or <c>feature</c>.</summary>
    public string? Scope { get; init; }

    /// <summary>Which key, user or feature; only with these scopes.</summary>
    public string? Subject { get; init; }

    /// <summary><c>minute</c>, <c>hour</c>, <c>day</c>, <c>month</c> or <c>total</c>.</summary>
    public string? Window { get; init; }

    /// <summary>US dollars, 0 or more, at most nine decimals.</summary>
    public decimal? LimitUsd { get; init; }

    /// <summary>Default true: jobs beyond the limit wait.</summary>
    public bool? Hard { get; init; }

    /// <summary>Up to 5 whole percents from 1 to 100. Default 80 and 100.</summary>
    public IReadOnlyList<int>? Thresholds { get; init; }
}

/// <summary>A tenant's budgets.</summary>
/// <param name="Data">By scope, subject and window.</param>
public sealed record BudgetList(IReadOnlyList<Budget> Data);
