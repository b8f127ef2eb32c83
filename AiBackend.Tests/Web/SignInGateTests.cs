using System.Net;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

public sealed class SignInGateTests
{
    [Theory]
    [InlineData("Production")]
    [InlineData("Staging")]
    public async Task Outside_Development_nobody_is_signed_in_and_the_page_says_so(string environment)
    {
        var folder = TestFolder.Create("sign-in");
        var key = Path.Combine(folder, "key");
        await File.WriteAllTextAsync(key, "aib_test_of_somebody", TestRun.Cancel);
        using var site = await SiteProcess.StartAsync(environment, keyFile: key);

        foreach (var path in (string[])["/", "/ask", "/runs", "/ops", "/_blazor/negotiate?negotiateVersion=1"])
        {
            using var response = await site.Http.GetAsync(path, TestRun.Cancel);
            var html = await response.Content.ReadAsStringAsync(TestRun.Cancel);

            Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
            Assert.Contains("<h1>Sign-in is not configured</h1>", html, StringComparison.Ordinal);
            Assert.Contains("default-src 'none'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        }
    }
}
