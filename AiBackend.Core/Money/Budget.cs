namespace AiBackend.Core.Money;

/// <summary>How much may be spent in a window.</summary>
public sealed record Budget
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Who made it, and whose calls it is about unless it is global.</summary>
    public required Guid TenantId { get; init; }

    /// <summary>The tenant's name, as stored.</summary>
    public string? Tenant { get; init; }

    /// <summary>Whose calls it is about.</summary>
    public required BudgetScope Scope { get; init; }

    /// <summary>Which key, user or feature; empty for the other scopes.</summary>
    public required string Subject { get; init; }

    /// <summary>The window.</summary>
    public required BudgetPeriod Period { get; init; }

    /// <summary>US dollars.</summary>
    public required decimal LimitUsd { get; init; }

    /// <summary>Calls beyond it wait; a soft one only tells.</summary>
    public required bool Hard { get; init; }

    /// <summary>Percents of the limit that raise an alert.</summary>
    public required IReadOnlyList<short> Thresholds { get; init; }

    /// <summary>Spent in the current window.</summary>
    public decimal SettledUsd { get; init; }

    /// <summary>Set aside for calls that are under way.</summary>
    public decimal ReservedUsd { get; init; }

    /// <summary>Whether calls were refused in this window, and jobs wait for it.</summary>
    public bool IsRefusing { get; init; }

    /// <summary>Begin of the current window.</summary>
    public DateTimeOffset WindowAt { get; init; }

    /// <summary>Its end; null is never.</summary>
    public DateTimeOffset? TurnsAt { get; init; }

    /// <summary>When it was made: it counts from then on.</summary>
    public DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Whose calls a budget is about; stored.</summary>
public enum BudgetScope : short
{
    /// <summary>Everybody's.</summary>
    Global = 0,

    /// <summary>A tenant's.</summary>
    Tenant = 1,

    /// <summary>Those of jobs that one API key submitted.</summary>
    Key = 2,

    /// <summary>Those of jobs for one user of the tenant's.</summary>
    User = 3,

    /// <summary>Those of one feature of the tenant's.</summary>
    Feature = 4,
}

/// <summary>The window of a budget, in UTC; stored.</summary>
public enum BudgetPeriod : short
{
    /// <summary>From minute to minute.</summary>
    Minute = 0,

    /// <summary>From hour to hour.</summary>
    Hour = 1,

    /// <summary>From midnight to midnight.</summary>
    Day = 2,

    /// <summary>From the first of a month to that of the next.</summary>
    Month = 3,

    /// <summary>Once and for all.</summary>
    Total = 4,
}

/// <summary>Names on the wire.</summary>
public static class BudgetNames
{
    /// <summary>Every scope.</summary>
    public static IReadOnlyList<string> Scopes { get; } = [.. Enum.GetValues<BudgetScope>().Select(ToWire)];

    /// <summary>Every period.</summary>
    public static IReadOnlyList<string> Periods { get; } = [.. Enum.GetValues<BudgetPeriod>().Select(ToWire)];

    /// <summary>Of a scope.</summary>
    public static string ToWire(this BudgetScope scope) =>
        scope switch
        {
            BudgetScope.Global => "global",
            BudgetScope.Tenant => "tenant",
            BudgetScope.Key => "key",
            BudgetScope.User => "user",
            BudgetScope.Feature => "feature",
            _ => "unknown",
        };

    /// <summary>Of a period.</summary>
    public static string ToWire(this BudgetPeriod period) =>
        period switch
        {
            BudgetPeriod.Minute => "minute",
            BudgetPeriod.Hour => "hour",
            BudgetPeriod.Day => "day",
            BudgetPeriod.Month => "month",
            BudgetPeriod.Total => "total",
            _ => "unknown",
        };

    /// <summary>Reads a scope.</summary>
    public static bool TryParseScope(string? name, out BudgetScope scope) => TryFind(Scopes, name, out scope);

    /// <summary>Reads a period.</summary>
    public static bool TryParsePeriod(string? name, out BudgetPeriod period) => TryFind(Periods, name, out period);

    private static bool TryFind<T>(IReadOnlyList<string> names, string? name, out T value)
        where T : struct, Enum
    {
        var at = name is null ? -1 : names.ToList().IndexOf(name);
        value = at < 0 ? default : Enum.GetValues<T>()[at];
        return at >= 0;
    }
}
