using System.Globalization;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Reads <c>Prefer: wait=N</c> (RFC 7240). A preference that cannot be honoured is ignored, as the RFC asks.</summary>
internal static class Preferences
{
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    /// <returns>How long the caller prefers to wait, at most <see cref="LongestWait"/>; zero when it does not.</returns>
    public static TimeSpan Wait(IHeaderDictionary headers)
    {
        if (!headers.TryGetValue("Prefer", out var lines))
        {
            return TimeSpan.Zero;
        }

        foreach (var line in lines)
        {
            foreach (var preference in (line ?? "").Split(',', ';'))
            {
                var parts = preference.Split('=', 2, StringSplitOptions.TrimEntries);
                if (
                    parts is [var name, var value]
                    && name.Equals("wait", StringComparison.OrdinalIgnoreCase)
                    && int.TryParse(value.Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
                )
                {
                    return TimeSpan.FromSeconds(Math.Min(seconds, LongestWait.TotalSeconds));
                }
            }
        }

        return TimeSpan.Zero;
    }
}
