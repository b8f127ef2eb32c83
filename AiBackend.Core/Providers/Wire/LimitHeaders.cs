using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace AiBackend.Core.Providers.Wire;

/// <summary>Reads what a provider says about its limits in the head of every answer.</summary>
internal static partial class LimitHeaders
{
    /// <summary>Of what is allowed, so much or less is little.</summary>
    private const double Scarce = 0.1;

    /// <summary>Nobody waits longer because of a header than for the window that limits are counted in.</summary>
    private static readonly TimeSpan LongestReset = TimeSpan.FromMinutes(1);

    // Of OpenAI and those who speak like it, and of Anthropic: limit, what is left, and when all of it is back.
    private static readonly (string Limit, string Left, string Reset) OpenAiCalls = OpenAi("requests");
    private static readonly (string Limit, string Left, string Reset) AnthropicCalls = Anthropic("requests");
    private static readonly (string Limit, string Left, string Reset)[] All =
    [
        OpenAiCalls,
        AnthropicCalls,
        OpenAi("tokens"),
        Anthropic("tokens"),
        Anthropic("input-tokens"),
        Anthropic("output-tokens"),
    ];

    /// <summary>How many calls a minute are allowed; null when it is not said.</summary>
    public static double? CallsPerMinute(Func<string, string?> header) =>
        Number(header(OpenAiCalls.Limit)) ?? Number(header(AnthropicCalls.Limit));

    /// <summary>What is nearly used up; null when nothing is, or nothing is said.</summary>
    public static ScarceLimit? Read(Func<string, string?> header)
    {
        ScarceLimit? scarce = null;
        foreach (var names in All)
        {
            if (Number(header(names.Left)) is { } left && Number(header(names.Limit)) is > 0 and var limit && left <= limit * Scarce)
            {
                var after = left > 0 ? null : Reset(header(names.Reset), header("date"));
                scarce = new ScarceLimit(Later(after, scarce?.After), CallsPerMinute(header));
            }
        }

        return scarce;
    }

    private static (string, string, string) OpenAi(string what) =>
        ($"x-ratelimit-limit-{what}", $"x-ratelimit-remaining-{what}", $"x-ratelimit-reset-{what}");

    private static (string, string, string) Anthropic(string what) =>
        ($"anthropic-ratelimit-{what}-limit", $"anthropic-ratelimit-{what}-remaining", $"anthropic-ratelimit-{what}-reset");

    private static double? Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number is >= 0 and < 1e12
            ? number
            : null;

    private static TimeSpan? Later(TimeSpan? one, TimeSpan? other) => one is null || other > one ? other : one;

    /// <summary>As a length (<c>6m0.5s</c>), as seconds, or as an instant, which is compared with the provider's own clock.</summary>
    private static TimeSpan? Reset(string? text, string? date)
    {
        var reset =
            Number(text) is { } seconds ? TimeSpan.FromSeconds(seconds)
            : Instant(text) is { } then && Instant(date) is { } now ? then - now
            : text is { Length: > 0 } && Length().Match(text) is { Success: true } match ? LengthOf(match)
            : (TimeSpan?)null;
        return reset is { } known ? TimeSpan.FromTicks(Math.Clamp(known.Ticks, 0, LongestReset.Ticks)) : null;
    }

    private static DateTimeOffset? Instant(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant) ? instant : null;

    private static TimeSpan LengthOf(Match match) =>
        TimeSpan.FromSeconds((3600 * Part(match, "h")) + (60 * Part(match, "m")) + Part(match, "s") + (Part(match, "ms") / 1000));

    private static double Part(Match match, string unit) => Number(match.Groups[unit].Value) ?? 0;

    [GeneratedRegex(
        @"^(?:(?<h>[\d.]+)h)?(?:(?<m>[\d.]+)m(?!s))?(?:(?<s>[\d.]+)s)?(?:(?<ms>[\d.]+)ms)?$",
        RegexOptions.ExplicitCapture,
        100
    )]
    private static partial Regex Length();
}

/// <summary>A provider says that little is left of what it allows.</summary>
/// <param name="After">Until there is more; null when there is some left.</param>
/// <param name="PerMinute">Calls a minute that it allows; null when it does not say.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ScarceLimit(TimeSpan? After, double? PerMinute);

/// <summary>Who made a call: has the last word before it is sent, and hears what the head of its answer says. Travels in the call's options.</summary>
internal interface ICallListener
{
    /// <summary>The member of the options' additional properties.</summary>
    const string Key = "aibackend.caller";

    /// <summary>The request is complete and leaves when this has ended; an exception keeps it here.</summary>
    ValueTask BeforeSendAsync(CancellationToken cancellationToken);

    void Note(ScarceLimit scarce);
}
