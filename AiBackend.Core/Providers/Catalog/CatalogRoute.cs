namespace AiBackend.Core.Providers.Catalog;

/// <summary>A route as it is used: its targets with their clients, in order.</summary>
internal sealed class CatalogRoute(IReadOnlyList<(ChatDeployment Deployment, TargetRule When)> targets, bool cheapestFirst = false)
{
    /// <summary>Whether <see cref="For"/> has still to be put in order by price.</summary>
    public bool CheapestFirst => cheapestFirst;

    /// <summary>Every target, whatever the call.</summary>
    public IReadOnlyList<ChatDeployment> All { get; } = [.. targets.Select(target => target.Deployment)];

    private readonly bool _isPlain = targets.All(target =>
        target.When == TargetRule.Always && target.Deployment is { ContextTokens: null, Capabilities.Count: 0 }
    );

    /// <summary>The targets for a call, best first.</summary>
    /// <remarks>
    /// Whose context is too small by the estimate stands behind those into which the call fits, the largest first: an estimate may be
    /// wrong, and the provider has the last word. Behind all stands who says that it cannot do what the call uses.
    /// </remarks>
    public IReadOnlyList<ChatDeployment> For(RouteNeeds needs)
    {
        if (_isPlain)
        {
            return All;
        }

        var fitting = new List<ChatDeployment>(targets.Count);
        List<ChatDeployment>? tooSmall = null;
        List<ChatDeployment>? unable = null;
        var passedForLength = false;
        foreach (var (deployment, when) in targets)
        {
            if (!when.HoldsFor(needs))
            {
                passedForLength |= !when.IsShortEnough(needs);
            }
            else if (!deployment.Can(needs))
            {
                (unable ??= []).Add(deployment);
            }
            else if (deployment.Holds(needs))
            {
                fitting.Add(deployment with { ChosenFor = ReasonOf(when, passedForLength, passedAsUnable: unable is not null) });
            }
            else
            {
                (tooSmall ??= []).Add(deployment);
                passedForLength = true;
            }
        }

        if (tooSmall is not null)
        {
            fitting.AddRange(tooSmall.OrderByDescending(deployment => deployment.ContextTokens));
        }

        return unable is null ? fitting : [.. fitting, .. unable];
    }

    private static string? ReasonOf(TargetRule when, bool passedForLength, bool passedAsUnable) =>
        when.TimeLeftBelow is not null ? RouteSwitch.Deadline
        : when.UnderPressure ? RouteSwitch.Pressure
        : when.InputTokensAbove is not null || passedForLength ? RouteSwitch.ContextLength
        : passedAsUnable ? RouteSwitch.Capability
        : null;
}

/// <summary>Why a call goes to another model than most of its route's.</summary>
public static class RouteSwitch
{
    /// <summary>The deadline is near: the faster model.</summary>
    public const string Deadline = "deadline";

    /// <summary>The prompt is long: the model with the longer context.</summary>
    public const string ContextLength = "context_length";

    /// <summary>Others wait too long: the faster model.</summary>
    public const string Pressure = "pressure";

    /// <summary>The model before it cannot do what the call uses: tools, JSON, or pictures.</summary>
    public const string Capability = "capability";
}
