using AiBackend.ApiContracts.Routing;
using AiBackend.Web.Runs;
using static System.FormattableString;

namespace AiBackend.Web.Routing;

/// <summary>Conditions, limits and sources in words.</summary>
internal static class ModelWords
{
    /// <summary>Which calls a target takes; null when it takes all.</summary>
    public static string? When(TargetConditions? when)
    {
        if (when is null)
        {
            return null;
        }

        var parts = new List<string>();
        if (when.Priorities is { } priorities)
        {
            parts.Add("for " + string.Join(" or ", priorities) + " work");
        }

        if (when.InputTokensAbove is { } above)
        {
            parts.Add($"when the prompt has more than {RunWords.Number(above)} tokens");
        }

        if (when.InputTokensAtMost is { } most)
        {
            parts.Add($"when the prompt has at most {RunWords.Number(most)} tokens");
        }

        if (when.SecondsLeftBelow is { } seconds)
        {
            parts.Add(Invariant($"when the deadline is less than {seconds:0.##} s away"));
        }

        if (when.UnderPressure is true)
        {
            parts.Add("when interactive work waits too long");
        }

        return parts.Count == 0 ? null : string.Join(", ", parts);
    }

    /// <summary>Every limit with what is used of it.</summary>
    public static IReadOnlyList<LimitLine> Limits(Deployment deployment)
    {
        var (limits, use) = (deployment.Limits, deployment.Use);
        LimitLine?[] lines =
        [
            Line("requests a minute", limits.RequestsPerMinute, use?.Requests),
            Line("input tokens a minute", limits.InputTokensPerMinute, use?.InputTokens),
            Line("output tokens a minute", limits.OutputTokensPerMinute, use?.OutputTokens),
            Line("tokens a minute", limits.TokensPerMinute, use?.InputTokens + use?.OutputTokens),
            Line("calls at once", limits.ConcurrentCalls, use?.ConcurrentCalls),
        ];
        return [.. lines.OfType<LimitLine>()];
    }

    /// <summary>Where its key comes from.</summary>
    public static string Key(string? credential) =>
        credential switch
        {
            "deployment" => "its own, set here",
            "provider" => "the provider's, set here",
            "configuration" => "as configured",
            "none" => "none",
            _ => "unknown",
        };

    private static LimitLine? Line(string unit, long? limit, long? used) => limit is { } most ? new(unit, used ?? 0, most) : null;
}

/// <summary>A limit and what is used of it.</summary>
/// <param name="Unit">What is counted.</param>
/// <param name="Used">In the last minute, or now.</param>
/// <param name="Most">The limit.</param>
internal sealed record LimitLine(string Unit, long Used, long Most);
