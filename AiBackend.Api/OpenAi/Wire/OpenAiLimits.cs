using System.Globalization;
using AiBackend.Core.Tenancy.Limits;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Wire;

/// <summary>What is left of a key's limits, in the headers that OpenAI's clients know.</summary>
internal static class OpenAiLimits
{
    public static void Tell(HttpResponse response, KeyLimitState state)
    {
        Tell(response, "requests", state.Requests);
        Tell(response, "tokens", state.Tokens);
    }

    public static void Tell(HttpResponse response, string what, KeyLimitView? view)
    {
        if (view is null)
        {
            return;
        }

        response.Headers[$"x-ratelimit-limit-{what}"] = view.Limit.ToString(CultureInfo.InvariantCulture);
        response.Headers[$"x-ratelimit-remaining-{what}"] = view.Remaining.ToString(CultureInfo.InvariantCulture);
        response.Headers[$"x-ratelimit-reset-{what}"] = GoDuration(view.ResetsIn);
    }

    /// <summary>As Go writes it, in milliseconds: 12ms, 1.5s, 6m0s.</summary>
    internal static string GoDuration(TimeSpan time)
    {
        var milliseconds = (long)Math.Ceiling(Math.Max(0, time.TotalMilliseconds));
        var (whole, seconds) = (milliseconds / 60_000, milliseconds % 60_000 / 1000m);
        return milliseconds switch
        {
            0 => "0s",
            < 1000 => Invariant($"{milliseconds}ms"),
            < 60_000 => Invariant($"{seconds:0.###}s"),
            < 3_600_000 => Invariant($"{whole}m{seconds:0.###}s"),
            _ => Invariant($"{whole / 60}h{whole % 60}m{seconds:0.###}s"),
        };
    }
}
