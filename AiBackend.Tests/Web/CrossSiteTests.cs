using System.Net;
using System.Net.Http.Headers;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Web;

/// <summary>What a page of another site can have its reader's browser send here, at every address that changes something.</summary>
public sealed class CrossSiteTests(PostgresServer postgres)
{
    private const string Password = "correct horse battery";
    private const string Evil = "https://evil.example";

    /// <summary>What nobody needs a token for: a report that a browser sends by itself, and circuits, of which a browser always says who opens them.</summary>
    private static readonly string[] WithoutToken = ["/csp-reports", "/_blazor"];

    /// <summary>As browsers send them: none lets a page leave out or choose these headers.</summary>
    private static readonly (string Name, string? Origin, string? Site, bool MaySayNothing)[] Attacks =
    [
        ("a form", Evil, "cross-site", false),
        ("a form of an old browser", Evil, null, false),
        ("a form of a sandboxed frame", "null", "cross-site", false),
        ("a form of a neighbour", "http://127.0.0.1:1", "same-site", false),
        ("a form of a name that begins the same", "http://127.0.0.1.evil.example", null, false),
        ("a form without an origin", null, "cross-site", false),
        // These are refused for want of a token.
        ("a form of an old sandboxed frame", "null", null, true),
        ("a form of who says nothing", null, null, true),
    ];

    [Fact]
    public async Task A_20_no_other_site_has_anything_done_at_any_address_by_who_is_signed_in_or_signs_in()
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        await using var site = await SiteHere.StartAsync("Production", api.Address);
        var set = await SignInTests.SendFormAsync(
            site.Http,
            "/setup",
            "/account/set-up",
            [("token", api.Key), ("email", "root@example.com"), ("password", Password)]
        );
        Assert.Equal("/sign-in", set.Location);
        await KeyApiTests.SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/users",
            $$"""{"email":"attacker@example.com","role":"viewer","password":"{{Password}}"}"""
        );
        await KeyApiTests.SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"other","organisation":"default"}""");
        var signedIn = await SignInTests.SendFormAsync(
            site.Http,
            "/sign-in",
            "/account/sign-in",
            [("email", "root@example.com"), ("password", Password)]
        );
        var cookie = signedIn.Cookie!.Split(';')[0];
        var before = await StateAsync(api);
        var posts = site
            .Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint =>
                endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods is not { Count: > 0 } methods || methods.Any(IsUnsafe)
            )
            .Select(endpoint => "/" + ApiCalls.Fill(endpoint.RoutePattern.RawText!.Trim('/'), "x"))
            .Distinct(StringComparer.Ordinal)
            .ToList();

        // Those that were written by hand, every page, and circuits.
        Assert.Superset(
            new HashSet<string>(
                [
                    "/account/sign-in",
                    "/account/sign-out",
                    "/account/set-up",
                    "/account/project",
                    "/csp-reports",
                    "/ask",
                    "/keys",
                    "/_blazor",
                ],
                StringComparer.Ordinal
            ),
            posts.ToHashSet(StringComparer.Ordinal)
        );
        foreach (var path in posts)
        {
            foreach (var (name, origin, from, maySayNothing) in Attacks)
            {
                foreach (var content in Contents())
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
                    request.Headers.Add("Cookie", cookie);
                    AddTo(request, "Origin", origin);
                    AddTo(request, "Sec-Fetch-Site", from);
                    var shown = $"{name}, {content.Headers.ContentType}, at {path}";
                    using var response = await site.Http.SendAsync(request, TestRun.Cancel);

                    Assert.True(
                        response.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.BadRequest
                            // There is nothing that takes it.
                            || response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed
                            || (maySayNothing && WithoutToken.Any(open => path.StartsWith(open, StringComparison.Ordinal))),
                        $"{shown} was answered {response.StatusCode}"
                    );
                    Assert.True(
                        maySayNothing || response.StatusCode is HttpStatusCode.Forbidden,
                        $"{shown} was answered {response.StatusCode}"
                    );
                    Assert.False(
                        response.Headers.TryGetValues("Set-Cookie", out var cookies)
                            && cookies.Any(each => each.Contains("aib=", StringComparison.Ordinal)),
                        $"{shown} set a cookie"
                    );
                }
            }
        }

        Assert.Equal(before, await StateAsync(api));
        Assert.Contains("data-sign-out", await SignInTests.PageAsync(site.Http, cookie), StringComparison.Ordinal);
    }

    private static bool IsUnsafe(string method) => method is not ("GET" or "HEAD" or "OPTIONS");

    /// <summary>A form with an account of the attacker's, and JSON as a page may send it without asking, and as it may not.</summary>
    private static HttpContent[] Contents()
    {
        const string Json = """{"email":"attacker@example.com","tenant":"other"}""";
        return
        [
            new FormUrlEncodedContent([
                new("email", "attacker@example.com"),
                new("password", Password),
                new("token", "x"),
                new("tenant", "other"),
                new("__RequestVerificationToken", "x"),
            ]),
            new StringContent(Json, new MediaTypeHeaderValue("text/plain")),
            new StringContent(Json, new MediaTypeHeaderValue("application/json")),
        ];
    }

    private static void AddTo(HttpRequestMessage request, string name, string? value)
    {
        if (value is not null)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    /// <summary>Who is there, who is signed in, and where.</summary>
    private static Task<string> StateAsync(ApiServer api) =>
        PlantedTenant.ScalarAsync<string>(
            api,
            """
            SELECT concat((SELECT string_agg(concat(encode(hash, 'hex'), user_id, tenant_id), ',' ORDER BY hash) FROM sessions),
                          (SELECT string_agg(u.id::text || u.password, ',' ORDER BY u.id) FROM users u),
                          (SELECT count(*) FROM api_keys), (SELECT count(*) FROM tenants), (SELECT count(*) FROM jobs))
            """
        );
}
