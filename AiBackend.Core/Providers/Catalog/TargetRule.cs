namespace AiBackend.Core.Providers.Catalog;

/// <summary>What is known of a call when its route is chosen.</summary>
/// <param name="InputTokens">Estimate for the prompt.</param>
/// <param name="MaxOutputTokens">The caller's own bound; null is none.</param>
/// <param name="Level">0 is the most urgent, 2 the least.</param>
/// <param name="TimeLeft">Until the work is of no more use; null is for ever.</param>
/// <param name="IsMoved">It goes to a faster model for a while, because others wait too long.</param>
public readonly record struct RouteNeeds(long InputTokens, int? MaxOutputTokens, int Level, TimeSpan? TimeLeft, bool IsMoved = false)
{
    /// <summary>What the call uses of what not every model can: <see cref="ModelCapabilities"/>.</summary>
    public IReadOnlyList<string> Uses { get; init; } = [];
}

/// <summary>Which calls a target of a route is for: all of what is set holds.</summary>
/// <param name="InputTokensAbove">More tokens than this in the prompt.</param>
/// <param name="InputTokensAtMost">This many or fewer.</param>
/// <param name="Levels">One of these levels of urgency.</param>
/// <param name="TimeLeftBelow">Less time than this until the deadline.</param>
/// <param name="UnderPressure">Only calls that go to a faster model for a while, because others wait too long.</param>
public sealed record TargetRule(
    long? InputTokensAbove = null,
    long? InputTokensAtMost = null,
    IReadOnlyList<int>? Levels = null,
    TimeSpan? TimeLeftBelow = null,
    bool UnderPressure = false
)
{
    /// <summary>For every call.</summary>
    public static TargetRule Always { get; } = new();

    internal bool HoldsFor(in RouteNeeds needs) =>
        IsNearEnough(needs) && IsLongEnough(needs) && IsShortEnough(needs) && IsUrgentEnough(needs) && (!UnderPressure || needs.IsMoved);

    internal bool IsShortEnough(in RouteNeeds needs) => InputTokensAtMost is not { } most || needs.InputTokens <= most;

    private bool IsNearEnough(in RouteNeeds needs) => TimeLeftBelow is not { } limit || needs.TimeLeft < limit;

    private bool IsLongEnough(in RouteNeeds needs) => InputTokensAbove is not { } least || needs.InputTokens > least;

    private bool IsUrgentEnough(in RouteNeeds needs) => Levels is null || Levels.Contains(needs.Level);
}
