using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>What browsers say that the site's policy refused.</summary>
public sealed partial class PolicyReportTests
{
    private const string Path = "/csp-reports";

    [Fact]
    public async Task D_8_what_a_browser_reports_is_in_the_log_in_plain_words_and_not_more_often_than_anybody_could_read()
    {
        using var site = await SiteProcess.StartAsync("Production");
        using var page = await site.Http.GetAsync("/sign-in", TestRun.Cancel);
        Assert.Equal(["csp=\"/csp-reports\""], page.Headers.GetValues("Reporting-Endpoints"));

        await ReportAsync(
            site,
            "application/reports+json",
            """
            [{"type":"deprecation","body":{"effectiveDirective":"none-of-ours"}},
             {"type":"csp-violation","body":{"effectiveDirective":"script-src-elem","blockedURL":"https://evil.example/x.js?secret=canary","documentURL":"https://site.example/runs/canary"}}]
            """
        );
        await ReportAsync(
            site,
            "application/csp-report",
            """{"csp-report":{"violated-directive":"style-src 'self'","blocked-uri":"inline","document-uri":"https://site.example/ask"}}"""
        );
        await ReportAsync(
            site,
            "application/csp-report",
            """{"csp-report":{"effective-directive":"img\nforged","blocked-uri":"forged\n","document-uri":"forged"}}"""
        );
        await Eventually.TrueAsync(() => LinesOf(site).Count >= 3, "they are in the log");
        foreach (
            var body in (string[])
                [
                    "",
                    "no json",
                    "[]",
                    "[7]",
                    "7",
                    """{"csp-report":7}""",
                    """{"csp-report":{"effective-directive":"\ud800"}}""",
                    new string('[', 70),
                    $"\"{new string('x', 20_000)}\"",
                ]
        )
        {
            await ReportAsync(site, "application/json", body);
        }

        for (var i = 0; i < 40; i++)
        {
            await ReportAsync(site, "application/csp-report", """{"csp-report":{"effective-directive":"font-src"}}""");
        }

        await Eventually.TrueAsync(() => LinesOf(site).Count >= 20, "as many as are told in a minute are in the log");
        var lines = LinesOf(site);
        Assert.Equal("script-src-elem of the policy refused https://evil.example in a page of /runs", lines[0]);
        Assert.Equal("style-src of the policy refused inline in a page of /ask", lines[1]);
        Assert.Equal("something of the policy refused something in a page of /", lines[2]);
        Assert.Equal(20, lines.Count);
        Assert.DoesNotContain("canary", site.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("forged", site.Output, StringComparison.Ordinal);
    }

    private static List<string> LinesOf(SiteProcess site) =>
        [.. Told().Matches(site.Output).Select(line => line.Groups["what"].Value.Trim())];

    private static async Task ReportAsync(SiteProcess site, string type, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, type);
        using var answer = await site.Http.PostAsync(Path, content, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
    }

    [GeneratedRegex("A browser says that (?<what>[^\"\\r\\n]*?in a page of /[A-Za-z-]*)", RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Told();
}
