using AiBackend.Tests.Web;
using AiBackend.Tests.Web.Browser;

namespace AiBackend.Tests.Guards;

/// <summary>Who uses the site, from a page of whom, and what it offers them.</summary>
internal static class SiteGuards
{
    private const string Forms = nameof(SignInTests.A_20_a_form_that_no_page_of_ours_sent_changes_nothing);
    private const string Circuits = nameof(HijackTests.A_21_a_page_of_another_site_opens_no_circuit);
    private const string FetchSite = nameof(
        HijackTests.A_20_A_21_what_a_browser_says_comes_from_another_site_is_refused_though_its_origin_is_not_told
    );
    private const string Led = nameof(SignInTests.A_24_after_signing_in_nobody_is_led_to_another_site);
    private const string Gate = nameof(SignInGateTests.Outside_Development_nobody_is_let_in_who_is_not_signed_in);
    private const string Roles = nameof(
        PeopleTests.U_45_u_50_and_a_17_an_administrator_makes_users_and_keys_and_a_viewer_sees_why_buttons_are_off
    );
    private const string SignedIn = nameof(
        SignInTests.D_4_and_a_11_a_12_a_14_the_first_administrator_signs_in_and_is_out_soon_after_being_disabled
    );

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Web/Account/AccountEndpoints.cs",
            (Of("SignInAsync"), "false", Forms),
            (Of("SetUpAsync"), "false", Forms),
            (Of("SignOutAsync"), "false", Forms),
            (Of("ChangeProjectAsync"), "false", Forms),
            ("=> [[context.Request.HasFormContentType && await antiforgery.IsRequestValidAsync(context)]];", "true", Forms)
        ),
        .. AllGuards.In(
            "AiBackend.Web/Account/LocalAddress.cs",
            (@"&& [[!given.StartsWith(""//"", StringComparison.Ordinal)]] &&", "true", Led),
            (
                @"&& [[!given.Contains('\\', StringComparison.Ordinal) && !given.Any(char.IsControl) && Uri.IsWellFormedUriString(given, UriKind.Relative)]] ?",
                "true",
                Led
            )
        ),
        .. AllGuards.In(
            "AiBackend.Web/Account/SiteCookie.cs",
            ("HttpOnly = [[true]],", "false", SignedIn),
            ("SameSite = [[SameSiteMode.Lax]],", "SameSiteMode.None", SignedIn)
        ),
        .. AllGuards.In(
            "AiBackend.Web/Account/SiteCaller.cs",
            ("UserToken is null || [[User!.HasClaim(SiteCookieHandler.ScopeClaim, scope)]];", "true", Roles)
        ),
        .. AllGuards.In("AiBackend.Web/Components/AiAllowed.razor", ("Why => [[Caller.WhyNot(Scope)]];", "null", Roles)),
        .. AllGuards.In("AiBackend.Web/Shell/NavMenu.razor", ("Operations.Where(page => [[Caller.May(page.Scope)]])", "true", Roles)),
        .. AllGuards.In(
            "AiBackend.Web/Shell/CircuitLimits.cs",
            (
                "if ([[!TryEnter(reader)]])",
                "false",
                nameof(HijackTests.A_22_a_reader_has_so_many_circuits_and_another_when_one_is_closed_and_the_site_is_well)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Web/Shell/OriginGuard.cs",
            ("if ([[!IsForeign(context.Request)]])", "true", Circuits),
            (@"if ([[request.Headers[""Sec-Fetch-Site""].ToString() is ""cross-site"" or ""same-site""]])", "false", FetchSite),
            (@"""null"" => [[isCircuit && request.Headers[""Sec-Fetch-Site""].ToString() is not ""same-origin""]],", "false", Circuits),
            ("var origin => [[!request.IsOwn(origin)]],", "false", Circuits)
        ),
        .. AllGuards.In(
            "AiBackend.Web/Shell/ShellRegistration.cs",
            ("[[app.UseOriginGuard();]]", "", Circuits),
            ("[[app.UseSignInGate();]]", "", Gate)
        ),
        .. AllGuards.In(
            "AiBackend.Web/Shell/SignInGate.cs",
            ("=> [[!environment.IsDevelopment()]] ||", "false", Gate),
            ("if ([[IsPublic(context.Request.Path) || context.User.Identity?.IsAuthenticated == true]])", "true", Gate)
        ),
        .. AllGuards.In(
            "AiBackend.ServiceDefaults/Hosting/RequestOrigins.cs",
            (
                "&& [[string.Equals(page.IdnHost, request.Host.Host.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)]] &&",
                "true",
                Circuits
            ),
            ("&& ([[request.Host.Port is { } port ? port == page.Port : page.IsDefaultPort]]);", "true", Circuits)
        ),
    ];

    private static string Of(string method) =>
        $"IResult> {method}(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery) {{ if ([[!await IsOursAsync(context, antiforgery)]])";
}
