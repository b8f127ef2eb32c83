using AiBackend.ApiContracts.Operations;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>The overview says which providers are asked.</summary>
public sealed class ProviderStateTests
{
    [Fact]
    public async Task The_overview_says_who_is_up_down_or_probed_and_nothing_of_whom_nobody_knows()
    {
        await using var api = await StubApi.StartAsync();
        api.Providers =
        [
            new ProviderInfo("one", "m", false) { State = "up" },
            new ProviderInfo("two", "m", false) { State = "down" },
            new ProviderInfo("three", "m", false) { State = "probing" },
            new ProviderInfo("four", "m", false),
            new ProviderInfo("five", "m", false) { State = "key_refused" },
            new ProviderInfo("six", "m", false) { State = "up", Pace = new ProviderPace(2.5, 40, null) },
        ];
        using var site = await SiteProcess.StartAsync("Development", api.Address);

        var html = await site.Http.GetStringAsync("/ops", TestRun.Cancel);

        Assert.Equal(
            ["Up", "Down", "Probing", "–", "Key refused", "Up slowed to 2.5 of 40 calls/s"],
            new[] { "one", "two", "three", "four", "five", "six" }.Select(name => StateOf(html, name))
        );
    }

    private static string StateOf(string html, string provider)
    {
        var row = html[html.IndexOf($"<td class=\"lead\">{provider}</td>", StringComparison.Ordinal)..];
        var cell = row[row.IndexOf("data-label=\"State\"", StringComparison.Ordinal)..];
        var words = System.Text.RegularExpressions.Regex.Replace(cell[..cell.IndexOf("</td>", StringComparison.Ordinal)], "<[^>]*>", " ");
        words = System.Net.WebUtility.HtmlDecode(words[(words.IndexOf('>', StringComparison.Ordinal) + 1)..]);
        return System.Text.RegularExpressions.Regex.Replace(words, @"\s+", " ").Trim();
    }
}
