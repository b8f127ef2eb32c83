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

        var html = await ReadAsync(site, "data-label=\"State\"");

        Assert.Equal(
            ["Up", "Down", "Probing", "–", "Key refused", "Up slowed to 2.5 of 40 calls/s"],
            new[] { "one", "two", "three", "four", "five", "six" }.Select(name => StateOf(html, name))
        );
    }

    [Fact]
    public async Task The_overview_says_how_often_models_keep_their_contracts_at_once_where_any_has_one()
    {
        await using var api = await StubApi.StartAsync();
        using var site = await SiteProcess.StartAsync("Development", api.Address);
        var before = await ReadAsync(site, "data-live");
        api.Contracts = [new ContractRate("one", "sharp", 200, 199), new ContractRate("two", "dull", 3, 0)];

        var html = await ReadAsync(site, "data-contracts");

        Assert.DoesNotContain("Output contracts", before, StringComparison.Ordinal);
        Assert.Equal(["sharp one 200 99.5 %", "dull two 3 0 %"], RowsOf(html, "data-contracts"));
    }

    /// <summary>The overview with all that the Api says: what is read for the first time may take longer than a page waits for it.</summary>
    private static Task<string> ReadAsync(SiteProcess site, string mark) =>
        Eventually.GetAsync(
            token => site.Http.GetStringAsync("/ops", token),
            html => html.Contains(mark, StringComparison.Ordinal) && !html.Contains("cannot be reached", StringComparison.Ordinal),
            $"the overview has {mark}",
            TimeSpan.FromSeconds(30)
        );

    private static IEnumerable<string> RowsOf(string html, string table)
    {
        var body = html[html.IndexOf(table, StringComparison.Ordinal)..];
        body = body[body.IndexOf("<tbody>", StringComparison.Ordinal)..body.IndexOf("</tbody>", StringComparison.Ordinal)];
        return body.Split("</tr>")
            .Select(row => System.Text.RegularExpressions.Regex.Replace(row, "<[^>]*>", " "))
            .Select(row => System.Text.RegularExpressions.Regex.Replace(System.Net.WebUtility.HtmlDecode(row), @"\s+", " ").Trim())
            .Where(row => row.Length > 0);
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
