using System.Net;
using System.Text.RegularExpressions;
using AiBackend.ApiContracts.Routing;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>The page of models: who answers to which name, under which conditions, and how much of each limit is used.</summary>
public sealed partial class ModelsPageTests
{
    [Fact]
    public async Task It_shows_routes_in_order_with_conditions_and_models_with_used_limits_and_no_key()
    {
        await using var api = await StubApi.StartAsync();
        api.Routes =
        [
            new ModelRoute(
                "support",
                3,
                "api",
                [
                    new RouteTarget
                    {
                        Provider = "openai",
                        Model = "fast",
                        When = new TargetConditions
                        {
                            SecondsLeftBelow = 20,
                            Priorities = ["interactive", "standard"],
                            UnderPressure = true,
                        },
                    },
                    new RouteTarget { Provider = "openai", Model = "good" },
                ]
            )
            {
                CreatedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            },
        ];
        api.Deployments =
        [
            new Deployment(
                "openai",
                "good",
                0,
                "configuration",
                new DeploymentLimits { TokensPerMinute = 10_000 },
                new DeploymentTimeouts()
            )
            {
                Use = new DeploymentUse(7, 900, 334, 0),
                Credential = "provider",
                ContextTokens = 128_000,
            },
        ];
        using var site = await SiteProcess.StartAsync("Development", api.Address);

        // What is read for the first time may take longer than a page waits for it.
        var html = await Eventually.GetAsync(
            token => site.Http.GetStringAsync("/models", token),
            read =>
                read.Contains("data-route=\"support\"", StringComparison.Ordinal)
                && read.Contains("data-deployment=\"openai/good\"", StringComparison.Ordinal),
            "the page has both",
            TimeSpan.FromSeconds(30)
        );

        Assert.Matches(
            "support .*openai/fast for interactive or standard work, when the deadline is less than 20 s away, when interactive work waits too long .*openai/good version 3",
            Words(html, "data-route=\"support\"")
        );
        Assert.Matches(
            "openai/good 1.234 of 10.000 tokens a minute 128.000 tokens the provider.s, set here",
            Words(html, "data-deployment=\"openai/good\"")
        );
    }

    /// <summary>The text of a row, with single blanks.</summary>
    private static string Words(string html, string mark)
    {
        var row = html[html.IndexOf(mark, StringComparison.Ordinal)..];
        row = row[(row.IndexOf('>', StringComparison.Ordinal) + 1)..row.IndexOf("</tr>", StringComparison.Ordinal)];
        return Blanks().Replace(WebUtility.HtmlDecode(Tags().Replace(row, " ")), " ").Trim();
    }

    [GeneratedRegex("<[^>]*>", RegexOptions.None, 60_000)]
    private static partial Regex Tags();

    [GeneratedRegex(@"\s+", RegexOptions.None, 60_000)]
    private static partial Regex Blanks();
}
