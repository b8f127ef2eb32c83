namespace AiBackend.ApiContracts.Money;

/// <summary>What calls used and cost, by day of their end in UTC.</summary>
/// <param name="From">First day.</param>
/// <param name="To">Last day.</param>
/// <param name="Data">One row a group, newest day first, then the dearest first; at most 1000.</param>
public sealed record UsageReport(DateOnly From, DateOnly To, IReadOnlyList<UsageRow> Data);

/// <summary>A group of calls. A member that is not grouped by is null; one that calls did not have is empty.</summary>
public sealed record UsageRow
{
    /// <summary>The day.</summary>
    public DateOnly? Day { get; init; }

    /// <summary>The tenant, by its name.</summary>
    public string? Tenant { get; init; }

    /// <summary>Public id of the API key whose jobs they were of.</summary>
    public string? Key { get; init; }

    /// <summary>The user.</summary>
    public string? User { get; init; }

    /// <summary>The feature.</summary>
    public string? Feature { get; init; }

    /// <summary>The provider.</summary>
    public string? Provider { get; init; }

    /// <summary>The provider's name of the model.</summary>
    public string? Model { get; init; }

    /// <summary>Calls that were made.</summary>
    public long Calls { get; init; }

    /// <summary>Those whose cost nobody knows, because there was no price.</summary>
    public long UnpricedCalls { get; init; }

    /// <summary>Those of which nobody knows what they used: they are in <see cref="UnknownUsd"/> with what was reserved for them.</summary>
    public long UnknownCalls { get; init; }

    /// <summary>Those whose provider reported a usage that cannot be true, which is not booked.</summary>
    public long DisputedCalls { get; init; }

    /// <summary>Tokens read.</summary>
    public long InputTokens { get; init; }

    /// <summary>Those of them that providers had cached.</summary>
    public long CachedTokens { get; init; }

    /// <summary>Tokens written.</summary>
    public long OutputTokens { get; init; }

    /// <summary>Those of them that models thought.</summary>
    public long ReasoningTokens { get; init; }

    /// <summary>US dollars, as far as the cost is known.</summary>
    public decimal CostUsd { get; init; }

    /// <summary>US dollars that may have been billed.</summary>
    public decimal UnknownUsd { get; init; }
}
