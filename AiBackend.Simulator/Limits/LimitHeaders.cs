using System.Globalization;

namespace AiBackend.Simulator.Limits;

/// <summary>The headers of https://platform.openai.com/docs/guides/rate-limits.</summary>
internal static class LimitHeaders
{
    public static void Write(IHeaderDictionary headers, LimitDecision decision)
    {
        Write(headers, "requests", decision.Requests);
        Write(headers, "tokens", decision.Tokens);
        if (decision.Refusal is { } refusal)
        {
            WriteRetryAfter(headers, refusal.RetryAfter);
        }
    }

    /// <summary>Whole seconds for everyone, milliseconds for those who know OpenAI's own header.</summary>
    public static void WriteRetryAfter(IHeaderDictionary headers, TimeSpan wait)
    {
        headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        headers["retry-after-ms"] = Math.Ceiling(wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
    }

    private static void Write(IHeaderDictionary headers, string what, BucketState? state)
    {
        if (state is not null)
        {
            headers[$"x-ratelimit-limit-{what}"] = state.Limit.ToString(CultureInfo.InvariantCulture);
            headers[$"x-ratelimit-remaining-{what}"] = state.Remaining.ToString(CultureInfo.InvariantCulture);
            headers[$"x-ratelimit-reset-{what}"] = Duration(state.Reset);
        }
    }

    /// <summary>OpenAI's own form: <c>6m0s</c>, <c>1.5s</c>, <c>20ms</c>.</summary>
    private static string Duration(TimeSpan time) =>
        time < TimeSpan.FromSeconds(1) ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMilliseconds}ms")
        : time < TimeSpan.FromMinutes(1) ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###}s")
        : string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m{time.Seconds}s");
}
