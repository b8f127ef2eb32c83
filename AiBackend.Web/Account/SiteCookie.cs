using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace AiBackend.Web.Account;

/// <summary>The cookie with the session's token, and nothing else: whichever server gets it asks the Api whose it is.</summary>
internal static class SiteCookie
{
    // Browsers take the prefix over https only; a desk has none.
    public static string NameOf(HttpRequest request) => request.IsHttps ? "__Host-aib" : "aib";

    public static void Set(HttpContext context, string token) =>
        context.Response.Cookies.Append(NameOf(context.Request), token, Options(context, TimeSpan.FromHours(24)));

    public static void Clear(HttpContext context) => context.Response.Cookies.Delete(NameOf(context.Request), Options(context, null));

    private static CookieOptions Options(HttpContext context, TimeSpan? age) =>
        new()
        {
            HttpOnly = true,
            Secure = context.Request.IsHttps,
            SameSite = SameSiteMode.Lax,
            Path = "/",
            IsEssential = true,
            MaxAge = age,
        };
}

/// <summary>Makes a user of a cookie.</summary>
internal sealed class SiteCookieHandler(
    SignedIn signedIn,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Site";
    public const string TokenClaim = "token";
    public const string ScopeClaim = "scope";
    public const string ProjectClaim = "project";
    public const string ProjectsClaim = "projects";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (
            Request.Cookies[SiteCookie.NameOf(Request)] is not { Length: > 0 } token
            || await signedIn.FindAsync(token, Context.RequestAborted) is not { User: { } user } session
        )
        {
            return AuthenticateResult.NoResult();
        }

        var identity = new ClaimsIdentity(
            [
                new Claim(ClaimTypes.Name, user.Name),
                new Claim(ClaimTypes.NameIdentifier, user.Id.ToString()),
                new Claim(ClaimTypes.Role, user.Role),
                new Claim(TokenClaim, token),
                new Claim(ProjectClaim, session.Tenant),
                .. session.Tenants.Select(tenant => new Claim(ProjectsClaim, $"{tenant.Slug} {tenant.Name}")),
                .. session.Scopes.Select(scope => new Claim(ScopeClaim, scope)),
            ],
            SchemeName
        );
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName));
    }
}
