using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web;

/// <summary>What the site answers before any script runs, here with no Api to talk to.</summary>
public sealed class SiteTests(SiteAlone alone) : IClassFixture<SiteAlone>
{
    private readonly SiteProcess _site = alone.Site;

    [Fact]
    public async Task A_40_d_9_what_is_larger_than_any_page_sends_is_refused_and_no_header_says_what_the_server_is()
    {
        using var large = new HttpRequestMessage(HttpMethod.Post, "/account/sign-in")
        {
            Content = new FormUrlEncodedContent([new("email", new string('x', 3 * 1024 * 1024))]),
        };
        // So that the answer is heard before the body is sent: whoever sends it may be cut off before.
        large.Headers.ExpectContinue = true;

        using var refused = await _site.Http.SendAsync(large, TestRun.Cancel);
        using var longHeader = new HttpRequestMessage(HttpMethod.Get, "/ask");
        longHeader.Headers.Add("X-Long", new string('x', 33 * 1024));
        using var tooLong = await _site.Http.SendAsync(longHeader, TestRun.Cancel);
        using var page = await _site.Http.GetAsync("/ask", TestRun.Cancel);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, tooLong.StatusCode);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.False(page.Headers.Contains("Server"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/ask")]
    [InlineData("/runs")]
    [InlineData("/runs/none")]
    [InlineData("/ops")]
    [InlineData("/costs")]
    [InlineData("/nowhere")]
    [InlineData("/css/tokens.css")]
    [InlineData("/_framework/blazor.web.js")]
    public async Task A_72_and_d_8_every_answer_carries_the_security_headers(string path)
    {
        using var response = await _site.Http.GetAsync(path, TestRun.Cancel);

        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.Equal(
            "default-src 'none'; script-src 'self' 'nonce-N'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
                + "font-src 'self'; connect-src 'self'; frame-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'; "
                + "object-src 'none'; worker-src 'self'; report-to csp; report-uri /csp-reports",
            Regex.Replace(policy, "'nonce-[0-9a-f]{32}'", "'nonce-N'")
        );
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(response.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
        Assert.Equal("same-origin", Assert.Single(response.Headers.GetValues("Cross-Origin-Opener-Policy")));
        Assert.Equal("same-origin", Assert.Single(response.Headers.GetValues("Cross-Origin-Resource-Policy")));
        Assert.Contains("camera=()", Assert.Single(response.Headers.GetValues("Permissions-Policy")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_one_inline_script_has_the_nonce_of_its_answer_and_no_two_answers_share_it()
    {
        var (first, second) = (await NonceAsync(), await NonceAsync());

        Assert.NotEqual(first, second);

        async Task<string> NonceAsync()
        {
            using var response = await _site.Http.GetAsync("/ask", TestRun.Cancel);
            var html = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            var nonce = Assert.Single(Regex.Matches(html, "<script(?![^>]*src=)[^>]*nonce=\"([^\"]+)\"")).Groups[1].Value;
            Assert.Contains($"'nonce-{nonce}'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
            Assert.Single(Regex.Matches(html, "<script(?![^>]*src=)"));
            return nonce;
        }
    }

    [Fact]
    public async Task A_foreign_name_for_this_machine_gets_nothing()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/ask");
        request.Headers.Host = "rebound.example";

        using var response = await _site.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Theory]
    [InlineData("AllowedHosts", "*", "error: AllowedHosts is '*', which takes any name")]
    [InlineData("AllowedHosts", "", "error: AllowedHosts is '*', which takes any name")]
    [InlineData("ASPNETCORE_URLS", "https://127.0.0.1:0", "error: 'https://127.0.0.1:0' is https without a certificate")]
    public async Task D_2_A_71_in_production_a_site_that_takes_any_name_or_a_certificate_of_development_does_not_start(
        string variable,
        string value,
        string reason
    )
    {
        using var site = await SiteProcess.EndAsync("Production", (variable, value));

        Assert.Equal(1, site.ExitCode);
        await Eventually.TrueAsync(_ => Task.FromResult(site.Output.Contains(reason, StringComparison.Ordinal)), "it says why");
    }

    [Fact]
    public async Task D_8_pages_are_not_kept_by_shared_browsers()
    {
        using var response = await _site.Http.GetAsync("/ask", TestRun.Cancel);

        Assert.True(response.Headers.CacheControl?.NoStore);
    }

    [Fact]
    public async Task The_root_leads_to_the_ask_page()
    {
        using var response = await _site.Http.GetAsync("/", TestRun.Cancel);

        Assert.Equal((HttpStatusCode.Redirect, "/ask"), (response.StatusCode, response.Headers.Location?.ToString()));
    }

    [Theory]
    [InlineData("/nowhere", "There is nothing at this address")]
    [InlineData("/runs/none", "There is no such run here")]
    public async Task U_39_an_address_with_nothing_behind_it_says_so_and_leads_on(string path, string words)
    {
        using var response = await _site.Http.GetAsync(path, TestRun.Cancel);
        var html = await response.Content.ReadAsStringAsync(TestRun.Cancel);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains(words, html, StringComparison.Ordinal);
        Assert.Contains("href=\"runs\"", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/ask")]
    [InlineData("/runs")]
    [InlineData("/runs/019aa000-0000-7000-8000-000000000000")]
    [InlineData("/ops")]
    public async Task A_page_whose_service_is_away_says_so_soon(string path)
    {
        var watch = Stopwatch.StartNew();

        using var response = await _site.Http.GetAsync(path, TestRun.Cancel);
        var html = await response.Content.ReadAsStringAsync(TestRun.Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains("cannot be reached right now", html, StringComparison.Ordinal);
        // Six seconds of trying at most, and what a page takes that is rendered for the first time.
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    [Theory]
    [InlineData("theme=dark", "data-theme=\"dark\"")]
    [InlineData("theme=light", "data-theme=\"light\"")]
    [InlineData("theme=nonsense", "data-theme=\"system\"")]
    [InlineData("other=1", "data-theme=\"system\"")]
    public async Task U_18_the_chosen_theme_is_in_the_first_bytes(string cookie, string attribute)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/nowhere");
        request.Headers.Add("Cookie", cookie);

        using var response = await _site.Http.SendAsync(request, TestRun.Cancel);

        Assert.Contains(
            "<html lang=\"en\" " + attribute,
            await response.Content.ReadAsStringAsync(TestRun.Cancel),
            StringComparison.Ordinal
        );
    }
}

/// <summary>One site without an Api for all tests of a class.</summary>
public sealed class SiteAlone : IAsyncLifetime
{
    internal SiteProcess Site { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Site = await SiteProcess.StartAsync("Development");

    public ValueTask DisposeAsync()
    {
        Site.Dispose();
        return ValueTask.CompletedTask;
    }
}
