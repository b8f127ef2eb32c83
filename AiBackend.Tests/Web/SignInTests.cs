using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Account;
using AiBackend.Web.Shell;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Web;

/// <summary>Signing in to the site, as browsers and as those who are none do it, in front of the real Api.</summary>
public sealed class SignInTests(PostgresServer postgres)
{
    private const string Password = "correct horse battery";

    [Fact]
    public async Task D_4_and_a_11_a_12_a_14_the_first_administrator_signs_in_and_is_out_soon_after_being_disabled()
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        using var site = await SiteProcess.StartAsync("Production", api.Address);
        using var other = await SiteProcess.StartAsync(
            "Production",
            api.Address,
            variables: [("Proxies__0", "127.0.0.0/8"), ("AllowedHosts", "127.0.0.1;site.example")]
        );

        using var first = await site.Http.GetAsync("/sign-in", TestRun.Cancel);
        var made = await SendFormAsync(
            site.Http,
            "/setup",
            "/account/set-up",
            [("token", api.Key), ("email", "root@example.com"), ("password", Password)]
        );
        var wrong = await SendFormAsync(
            site.Http,
            "/sign-in",
            "/account/sign-in",
            [("email", "root@example.com"), ("password", "not the password")]
        );
        var signedIn = await SendFormAsync(
            site.Http,
            "/sign-in?returnUrl=%2Fruns",
            "/account/sign-in",
            [("email", "root@example.com"), ("password", Password), ("returnUrl", "/runs")],
            "aib=aibs_planted"
        );

        Assert.Equal("/setup", first.Headers.Location?.ToString());
        Assert.Equal((HttpStatusCode.Redirect, "/sign-in"), (made.Status, made.Location));
        Assert.Equal((HttpStatusCode.Unauthorized, null), (wrong.Status, wrong.Cookie));
        Assert.Equal((HttpStatusCode.Redirect, "/runs"), (signedIn.Status, signedIn.Location));
        Assert.Matches("^aib=aibs_[0-9A-Za-z]{36}; max-age=86400; path=/; samesite=lax; httponly$", signedIn.Cookie);
        var cookie = signedIn.Cookie!.Split(';')[0];
        Assert.Contains("data-sign-out", await PageAsync(site.Http, cookie), StringComparison.Ordinal);
        Assert.Contains("data-sign-out", await PageAsync(other.Http, cookie), StringComparison.Ordinal);
        // Behind a proxy that has taken https off.
        other.Http.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        var secure = await SendFormAsync(
            other.Http,
            "/sign-in",
            "/account/sign-in",
            [("email", "root@example.com"), ("password", Password)]
        );
        Assert.Matches("^__Host-aib=aibs_[0-9A-Za-z]{36}; max-age=86400; path=/; secure; samesite=lax; httponly$", secure.Cookie);
        Assert.Contains("data-sign-out", await PageAsync(other.Http, secure.Cookie!.Split(';')[0]), StringComparison.Ordinal);
        // What is planted over http is not taken for it.
        Assert.StartsWith("/sign-in", await PageAsync(other.Http, cookie), StringComparison.Ordinal);
        using var named = new HttpRequestMessage(HttpMethod.Get, "/sign-in") { Headers = { Host = "site.example" } };
        using var page = await other.Http.SendAsync(named, TestRun.Cancel);
        Assert.Matches("^max-age=[0-9]{7,}", Assert.Single(page.Headers.GetValues("Strict-Transport-Security")));
        Assert.Equal("/sign-in?returnUrl=%2Fruns", await PageAsync(site.Http, cookie[..^1] + (cookie[^1] == 'a' ? 'b' : 'a')));

        var users = await SendAsync(api.Http, HttpMethod.Get, "/api/v1/users");
        var id = users.Body.GetProperty("data")[0].GetProperty("id").GetString();
        await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/users/{id}", """{"disabled":true}""");

        await Eventually.TrueAsync(
            async _ => (await PageAsync(site.Http, cookie)).StartsWith("/sign-in", StringComparison.Ordinal),
            "the session is over",
            TimeSpan.FromSeconds(30)
        );
    }

    [Fact]
    public async Task A_20_a_form_that_no_page_of_ours_sent_changes_nothing()
    {
        using var site = await SiteProcess.StartAsync("Production");

        foreach (var path in (string[])["/account/sign-in", "/account/sign-out", "/account/set-up", "/account/project"])
        {
            foreach (
                var content in (HttpContent[])
                    [
                        new FormUrlEncodedContent([new("email", "a@example.com"), new("password", Password), new("token", "x")]),
                        new StringContent("""{"email":"a@example.com"}""", System.Text.Encoding.UTF8, "text/plain"),
                    ]
            )
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
                using var response = await site.Http.SendAsync(request, TestRun.Cancel);
                using var cross = await CrossAsync(site, path, content);

                // 401 where the page that explains the 400 is for those who are signed in.
                Assert.True(
                    response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized,
                    $"{path} answered {response.StatusCode}."
                );
                // Not one of the endpoint itself, which would have tried: it shows its form again.
                Assert.DoesNotContain("<form", await response.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
                Assert.Equal(HttpStatusCode.Forbidden, cross.StatusCode);
                Assert.False(
                    response.Headers.TryGetValues("Set-Cookie", out var cookies)
                        && cookies.Any(each => each.StartsWith("aib", StringComparison.Ordinal))
                );
            }
        }
    }

    [Fact]
    public async Task D_5_a_12_processes_that_share_a_folder_take_each_others_forms_and_others_do_not()
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        var folder = TestFolder.Create("shared-keys");
        var certificate = Path.Combine(folder, "certificate.pfx");
        await File.WriteAllBytesAsync(certificate, NewCertificate("secret"), TestRun.Cancel);
        (string, string)[] sealedKeys = [("PageKeys__Certificate", certificate), ("PageKeys__CertificatePassword", "secret")];
        using var one = await SiteProcess.StartAsync("Production", api.Address, pageKeys: folder, variables: sealedKeys);
        using var another = await SiteProcess.StartAsync("Production", api.Address, pageKeys: folder, variables: sealedKeys);
        using var stranger = await SiteProcess.StartAsync("Production", api.Address);
        (string, string)[] form = [("token", api.Key), ("email", "root@example.com"), ("password", Password)];

        var refused = await SendFormAsync(one.Http, "/setup", "/account/set-up", form, sentTo: stranger.Http);
        var taken = await SendFormAsync(one.Http, "/setup", "/account/set-up", form, sentTo: another.Http);

        Assert.NotEqual(HttpStatusCode.Redirect, refused.Status);
        Assert.Equal((HttpStatusCode.Redirect, "/sign-in"), (taken.Status, taken.Location));
        var stored = await File.ReadAllTextAsync(Assert.Single(Directory.GetFiles(folder, "key-*.xml")), TestRun.Cancel);
        Assert.Contains("EncryptedData", stored, StringComparison.Ordinal);
        Assert.DoesNotContain("masterKey", stored, StringComparison.Ordinal);
    }

    [Fact]
    public async Task D_5_A_12_when_the_keys_of_pages_are_rotated_forms_and_cookies_of_before_still_count()
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        var folder = TestFolder.Create("rotated-keys");
        using var before = await SiteProcess.StartAsync("Production", api.Address, pageKeys: folder);
        (string, string)[] first = [("token", api.Key), ("email", "root@example.com"), ("password", Password)];
        await SendFormAsync(before.Http, "/setup", "/account/set-up", first);
        (string, string)[] person = [("email", "root@example.com"), ("password", Password)];
        var cookie = (await SendFormAsync(before.Http, "/sign-in", "/account/sign-in", person)).Cookie!.Split(';')[0];

        var made = Rotate(folder);
        using var after = await SiteProcess.StartAsync("Production", api.Address, pageKeys: folder);

        // Shown by a process that knows the old key alone, and sent to one that signs with the new one.
        var form = await SendFormAsync(before.Http, "/sign-in", "/account/sign-in", person, sentTo: after.Http);
        var own = await SendFormAsync(after.Http, "/sign-in", "/account/sign-in", person);
        Assert.Equal((HttpStatusCode.Redirect, HttpStatusCode.Redirect), (form.Status, own.Status));
        Assert.NotNull(form.Cookie);
        Assert.Equal(2, Directory.GetFiles(folder, "key-*.xml").Length);
        Assert.Contains("data-sign-out", await PageAsync(after.Http, cookie), StringComparison.Ordinal);
        Assert.StartsWith(
            "/sign-in",
            await PageAsync(after.Http, cookie[..^1] + (cookie[^1] == 'a' ? 'b' : 'a')),
            StringComparison.Ordinal
        );
        // One that has the new key alone takes what was signed with that, and nothing else.
        var young = TestFolder.Create("young-keys");
        File.Copy(Path.Combine(folder, $"key-{made}.xml"), Path.Combine(young, $"key-{made}.xml"));
        using var later = await SiteProcess.StartAsync("Production", api.Address, pageKeys: young);
        var signedAnew = await SendFormAsync(after.Http, "/sign-in", "/account/sign-in", person, sentTo: later.Http);
        var signedBefore = await SendFormAsync(before.Http, "/sign-in", "/account/sign-in", person, sentTo: later.Http);
        Assert.Equal(HttpStatusCode.Redirect, signedAnew.Status);
        Assert.NotEqual(HttpStatusCode.Redirect, signedBefore.Status);
    }

    [Theory]
    [InlineData("PageKeys:Folder", "", "PageKeys__Folder is not set")]
    [InlineData("PageKeys:Certificate", "", "PageKeys__Certificate is not set")]
    [InlineData("PageKeys:Certificate", "/nowhere.pfx", "PageKeys__Certificate is '/nowhere.pfx'")]
    public void A_71_production_refuses_keys_that_end_with_the_process_or_cannot_be_sealed(string name, string value, string fault)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { EnvironmentName = "Production" });
        builder.Configuration["PageKeys:Folder"] = Path.GetTempPath();
        builder.Configuration[name] = value;

        var refusal = Assert.Throws<InvalidOperationException>(builder.AddPageKeys);

        Assert.Contains(fault, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/runs?status=failed", "/runs?status=failed")]
    [InlineData("//evil.example", "/ask")]
    [InlineData("/\\evil.example", "/ask")]
    [InlineData("\\\\evil.example", "/ask")]
    [InlineData("https:evil.example", "/ask")]
    [InlineData("https://evil.example", "/ask")]
    [InlineData("javascript:alert(1)", "/ask")]
    [InlineData("/\t/evil.example", "/ask")]
    [InlineData("", "/ask")]
    [InlineData(null, "/ask")]
    public void A_24_after_signing_in_nobody_is_led_to_another_site(string? wanted, string leads)
    {
        Assert.Equal(leads, LocalAddress.Of(wanted));
    }

    /// <summary>The same, as a browser sends it for a page of another site.</summary>
    private static async Task<HttpResponseMessage> CrossAsync(SiteProcess site, string path, HttpContent content)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new ByteArrayContent(await content.ReadAsByteArrayAsync(TestRun.Cancel)),
        };
        request.Content.Headers.ContentType = content.Headers.ContentType;
        request.Headers.Add("Origin", "https://evil.example");
        return await site.Http.SendAsync(request, TestRun.Cancel);
    }

    /// <summary>What happens by itself after 90 days: another key, which counts from now on.</summary>
    /// <returns>Its id.</returns>
    private static Guid Rotate(string folder)
    {
        var services = new ServiceCollection();
        services.AddDataProtection().SetApplicationName("AiBackend.Web").PersistKeysToFileSystem(new(folder));
        using var provider = services.BuildServiceProvider();
        var now = TimeProvider.System.GetUtcNow();
        return provider.GetRequiredService<IKeyManager>().CreateNewKey(now, now.AddDays(90)).KeyId;
    }

    private static byte[] NewCertificate(string password)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=pages", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow().AddDays(1));
        return certificate.Export(X509ContentType.Pkcs12, password);
    }

    /// <returns>The page, or where it leads.</returns>
    internal static async Task<string> PageAsync(HttpClient http, string cookie)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/runs");
        request.Headers.Add("Cookie", cookie);
        using var response = await http.SendAsync(request, TestRun.Cancel);
        return response.Headers.Location?.ToString() ?? await response.Content.ReadAsStringAsync(TestRun.Cancel);
    }

    /// <summary>Opens a page and sends its form, as a browser would.</summary>
    internal static async Task<(HttpStatusCode Status, string? Location, string? Cookie)> SendFormAsync(
        HttpClient site,
        string page,
        string action,
        IEnumerable<(string Name, string Value)> fields,
        string? planted = null,
        HttpClient? sentTo = null
    )
    {
        using var shown = await site.GetAsync(page, TestRun.Cancel);
        var html = await shown.Content.ReadAsStringAsync(TestRun.Cancel);
        var token = Regex.Match(html, "name=\"(__RequestVerificationToken)\" value=\"([^\"]+)\"");
        var cookies = shown.Headers.GetValues("Set-Cookie").Select(each => each.Split(';')[0]);
        using var request = new HttpRequestMessage(HttpMethod.Post, action)
        {
            Content = new FormUrlEncodedContent(
                fields
                    .Select(field => KeyValuePair.Create(field.Name, field.Value))
                    .Append(new(token.Groups[1].Value, token.Groups[2].Value))
            ),
        };
        request.Headers.Add("Cookie", string.Join("; ", planted is null ? cookies : cookies.Append(planted)));
        using var response = await (sentTo ?? site).SendAsync(request, TestRun.Cancel);
        var set = response.Headers.TryGetValues("Set-Cookie", out var all)
            ? all.FirstOrDefault(each => Regex.IsMatch(each, "^(__Host-)?aib="))
            : null;
        return (response.StatusCode, response.Headers.Location?.ToString(), set);
    }
}
