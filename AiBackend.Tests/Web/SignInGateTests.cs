using System.Net;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

public sealed class SignInGateTests
{
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
