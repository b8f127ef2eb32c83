using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

public sealed partial class SignInGateTests
{
    /// <summary>What a stranger is shown: how to come in, and what its page needs.</summary>
    private static readonly string[] Open = ["/sign-in", "/health/live", "/health/ready", "/css/tokens.css"];

    private static readonly string[] Closed =
    [
        "/",
        "/ask",
        "/ops",
        "/keys",
        "/users",
        "/models",
        "/costs/download",
        "/metrics",
        "/swagger",
        "/openapi/v1.json",
        "/health",
        "/health/x",
        "/aspire",
        "/.git/config",
        "/.env",
        "/appsettings.json",
        "/appsettings.Development.json",
        "/AiBackend.Web.dll",
        "/AiBackend.Web.pdb",
        "/AiBackend.Web.staticwebassets.endpoints.json",
        "/_framework/blazor.web.js.map",
        "/_framework/blazor.boot.json",
        "/_framework/AiBackend.Web.dll",
        "/css/tokens.css.map",
        "/css/",
        "/_content/",
        "/_blazor",
        "/_blazor/negotiate",
        "/api/v1/jobs",
        "/css/..%2fappsettings.json",
        "/css/%2e%2e/appsettings.json",
    ];

    [Fact]
    public async Task A_70_a_stranger_is_shown_how_to_come_in_and_nothing_of_the_installation()
    {
        using var site = await SiteProcess.StartAsync("Production");

        foreach (var path in Closed)
        {
            using var response = await site.Http.GetAsync(new Uri(site.Address.ToString().TrimEnd('/') + path), TestRun.Cancel);
            var isAway =
                response.StatusCode is HttpStatusCode.Redirect
                    ? response.Headers.Location!.ToString().StartsWith("/sign-in", StringComparison.Ordinal)
                    : response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized;
            Assert.True(isAway, $"{path} answered {response.StatusCode}");
            Assert.DoesNotMatch(CrawlTests.Telling(), await response.Content.ReadAsStringAsync(TestRun.Cancel));
        }

        foreach (var path in Open)
        {
            using var response = await site.Http.GetAsync(path, TestRun.Cancel);
            Assert.True(response.IsSuccessStatusCode || path == "/health/ready", $"{path} answered {response.StatusCode}");
            Assert.DoesNotMatch(CrawlTests.Telling(), await response.Content.ReadAsStringAsync(TestRun.Cancel));
        }
    }

    [Theory]
    [InlineData("Production")]
    [InlineData("Staging")]
    public async Task Outside_Development_nobody_is_let_in_who_is_not_signed_in(string environment)
    {
        var folder = TestFolder.Create("sign-in");
        var key = Path.Combine(folder, "key");
        await File.WriteAllTextAsync(key, "aib_test_of_somebody", TestRun.Cancel);
        using var site = await SiteProcess.StartAsync(environment, keyFile: key);

        foreach (var path in (string[])["/", "/ask", "/runs", "/ops", "/RUNS", "//runs", "/account/../runs"])
        {
            using var response = await site.Http.GetAsync(new Uri(site.Address.ToString().TrimEnd('/') + path), TestRun.Cancel);

            Assert.Equal(HttpStatusCode.Redirect, response.StatusCode);
            Assert.StartsWith("/sign-in?returnUrl=", response.Headers.Location?.ToString(), StringComparison.Ordinal);
        }

        using var circuit = await site.Http.PostAsync("/_blazor/negotiate?negotiateVersion=1", null, TestRun.Cancel);
        using var page = await site.Http.GetAsync("/sign-in", TestRun.Cancel);
        Assert.Equal(HttpStatusCode.Unauthorized, circuit.StatusCode);
        Assert.Contains("<h1>Sign in</h1>", await page.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.True(page.Headers.CacheControl?.NoStore);
    }
}
