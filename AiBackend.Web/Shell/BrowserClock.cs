using System.Globalization;
using AiBackend.Web.Runs;
using static System.FormattableString;

namespace AiBackend.Web.Shell;

/// <summary>The reader's clock: now, and times as the reader would write them.</summary>
internal sealed class BrowserClock
{
    private readonly TimeProvider _clock;
    private readonly TimeZoneInfo _zone = TimeZoneInfo.Utc;

    public BrowserClock(TimeProvider clock, string? timeZone, string theme)
    {
        _clock = clock;
        Theme = theme;
        if (timeZone is { Length: > 0 and < 64 } && TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out var zone))
        {
            _zone = zone;
        }
    }

    public string Theme { get; }

    public DateTimeOffset Now => _clock.GetUtcNow();

    /// <summary>“14:05”, with the zone when it is not the reader's own; with seconds for times close by.</summary>
    public string Time(DateTimeOffset at) =>
        Local(at).ToString((at - Now).Duration() < TimeSpan.FromMinutes(2) ? "HH:mm:ss" : "HH:mm", CultureInfo.InvariantCulture) + Suffix;

    /// <summary>The exact time, for the tooltip of a relative one.</summary>
    public string Exact(DateTimeOffset at) => Local(at).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + Suffix;

    /// <summary>“just now”, “3 min ago”, “yesterday 14:05”, “2 Nov 14:05”.</summary>
    public string Relative(DateTimeOffset at)
    {
        var age = Now - at;
        var local = Local(at);
        return age.TotalSeconds switch
        {
            < 5 => "just now",
            < 60 => Invariant($"{(int)age.TotalSeconds} s ago"),
            < 3600 => Invariant($"{(int)age.TotalMinutes} min ago"),
            < 6 * 3600 => Invariant($"{(int)age.TotalHours} h ago"),
            _ when local.Date == Local(Now).Date => "today " + local.ToString("HH:mm", CultureInfo.InvariantCulture),
            _ when local.Date == Local(Now).Date.AddDays(-1) => "yesterday " + local.ToString("HH:mm", CultureInfo.InvariantCulture),
            _ => local.ToString(local.Year == Local(Now).Year ? "d MMM HH:mm" : "d MMM yyyy", CultureInfo.InvariantCulture),
        };
    }

    /// <summary>How long ago, for something that is live: “0.2 s”, never finer.</summary>
    public string Since(DateTimeOffset at) =>
        Now - at is var age && age.TotalSeconds < 9.95 ? Invariant($"{Math.Max(age.TotalSeconds, 0):0.0} s") : RunWords.Duration(age);

    private string Suffix => _zone.Equals(TimeZoneInfo.Utc) ? " UTC" : "";

    private DateTimeOffset Local(DateTimeOffset at) => TimeZoneInfo.ConvertTime(at, _zone);
}
