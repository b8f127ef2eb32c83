using AiBackend.Tests.Fixtures;
using AiBackend.Web.Shell;

namespace AiBackend.Tests.Web;

/// <summary>Times as their reader would write them.</summary>
public sealed class BrowserClockTests
{
    [Theory]
    [InlineData(-3 * 86400, "23 Nov 12:00")]
    [InlineData(-86400, "yesterday 12:00")]
    [InlineData(-7 * 3600, "today 05:00")]
    [InlineData(-2 * 3600, "2 h ago")]
    [InlineData(-90, "1 min ago")]
    [InlineData(-4, "just now")]
    [InlineData(4, "just now")]
    [InlineData(30, "in 30 s")]
    [InlineData(600, "in 10 min")]
    [InlineData(2 * 3600, "in 2 h")]
    [InlineData(86400, "tomorrow 12:00")]
    [InlineData(3 * 86400, "29 Nov 12:00")]
    public void What_is_to_come_is_not_said_to_be_now(int seconds, string words)
    {
        var now = new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);
        var clock = new BrowserClock(new FakeTime(now), "UTC", "light");

        Assert.Equal(words, clock.Relative(now.AddSeconds(seconds)));
    }
}
