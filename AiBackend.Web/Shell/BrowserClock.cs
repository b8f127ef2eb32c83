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

    /// <summary>“just now”, “3 min ago”, “yesterday 14:05”, “2 Nov 14:05”; of what is to come “in 3 min”, “tomorrow 14:05”.</summary>
    public string Relative(DateTimeOffset at)
    {
        var distance = (Now - at).Duration();
        var isToCome = at > Now;
        var span = distance.TotalSeconds switch
        {
            < 5 => null,
            < 60 => Invariant($"{(int)distance.TotalSeconds} s"),
            < 3600 => Invariant($"{(int)distance.TotalMinutes} min"),
            < 6 * 3600 => Invariant($"{(int)distance.TotalHours} h"),
            _ => "",
        };
        return span switch
        {
            null => "just now",
            "" => Day(Local(at)),
            _ => isToCome ? $"in {span}" : $"{span} ago",
        };
    }

    private string Day(DateTimeOffset local)
    {
        var today = Local(Now).Date;
        var day =
            local.Date == today ? "today"
            : local.Date == today.AddDays(-1) ? "yesterday"
            : local.Date == today.AddDays(1) ? "tomorrow"
            : null;
        return day is null
            ? local.ToString(local.Year == today.Year ? "d MMM HH:mm" : "d MMM yyyy", CultureInfo.InvariantCulture)
            : $"{day} {local.ToString("HH:mm", CultureInfo.InvariantCulture)}";
    }

    /// <summary>How long ago, for something that is live: “0.2 s”, never finer.</summary>
    public string Since(DateTimeOffset at) =>
        Now - at is var age && age.TotalSeconds < 9.95 ? Invariant($"{Math.Max(age.TotalSeconds, 0):0.0} s") : RunWords.Duration(age);

    private string Suffix => _zone.Equals(TimeZoneInfo.Utc) ? " UTC" : "";

    private DateTimeOffset Local(DateTimeOffset at) => TimeZoneInfo.ConvertTime(at, _zone);
}
