namespace AiBackend.Core.Jobs;

/// <summary>What work may cost at most, as its caller says.</summary>
public static class CostLimit
{
    private const decimal Most = 1_000_000;
    private const int Decimals = 9;

    /// <returns>What is wrong with an amount of US dollars; null when nothing is, or none is given.</returns>
    public static string? FaultOf(decimal? cost) =>
        cost is <= 0 or > Most || (cost is { } given && decimal.Round(given, Decimals) != given)
            ? FormattableString.Invariant($"is {cost}; it must be above 0, at most {Most} US dollars, with at most {Decimals} decimals.")
            : null;
}
