using AiBackend.ApiContracts.Tenancy;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;

namespace AiBackend.Web.Account;

/// <summary>Signing in and out, and the first administrator. What changes something wants an antiforgery token.</summary>
internal static class AccountEndpoints
{
    public const string SignInPath = "/sign-in";
    public const string SetUpPath = "/setup";

    public static void AddAccount(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SignedIn>();
        builder
            .Services.AddAuthentication(SiteCookieHandler.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, SiteCookieHandler>(SiteCookieHandler.SchemeName, null);
        builder.Services.AddCascadingAuthenticationState();
    }

    public static void MapAccount(this WebApplication app)
    {
        app.MapGet(SignInPath, ShowSignInAsync);
        app.MapGet(SetUpPath, ShowSetUpAsync);
        app.MapPost("/account/sign-in", SignInAsync).DisableAntiforgery();
        app.MapPost("/account/set-up", SetUpAsync).DisableAntiforgery();
        app.MapPost("/account/sign-out", SignOutAsync).DisableAntiforgery();
        app.MapPost("/account/project", ChangeProjectAsync).DisableAntiforgery();
    }

    private static async Task<IResult> ShowSignInAsync(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery)
    {
        var returnUrl = LocalAddress.Of(context.Request.Query["returnUrl"]);
        if (context.User.Identity?.IsAuthenticated == true)
        {
            return Results.LocalRedirect(returnUrl);
        }

        return await signedIn.NeedsSetupAsync(context.RequestAborted)
            ? Results.LocalRedirect(SetUpPath)
            : SignInPage(context, antiforgery, returnUrl, null);
    }

    private static async Task<IResult> ShowSetUpAsync(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery) =>
        await signedIn.NeedsSetupAsync(context.RequestAborted) ? SetUpPage(context, antiforgery, null) : Results.LocalRedirect(SignInPath);

    private static async Task<IResult> SignInAsync(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery)
    {
        if (!await IsOursAsync(context, antiforgery))
        {
            return Results.BadRequest();
        }

        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var returnUrl = LocalAddress.Of(form["returnUrl"]);
        var (token, failure) = await signedIn.BeginAsync(
            form["email"].ToString(),
            form["password"].ToString(),
            context.Connection.RemoteIpAddress,
            context.RequestAborted
        );
        if (token is null)
        {
            return SignInPage(context, antiforgery, returnUrl, failure);
        }

        // Whatever cookie there was before is of no use to whoever set it.
        SiteCookie.Set(context, token);
        return Results.LocalRedirect(returnUrl);
    }

    private static async Task<IResult> SetUpAsync(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery)
    {
        if (!await IsOursAsync(context, antiforgery))
        {
            return Results.BadRequest();
        }

        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var request = new SetupRequest
        {
            Token = form["token"],
            Email = form["email"],
            Password = form["password"],
        };
        return await signedIn.SetUpAsync(request, context.Connection.RemoteIpAddress, context.RequestAborted) is { } failure
            ? SetUpPage(context, antiforgery, failure)
            : Results.LocalRedirect(SignInPath);
    }

    private static async Task<IResult> SignOutAsync(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery)
    {
        if (!await IsOursAsync(context, antiforgery))
        {
            return Results.BadRequest();
        }

        if (context.Request.Cookies[SiteCookie.NameOf(context.Request)] is { Length: > 0 } token)
        {
            await signedIn.EndAsync(token, context.RequestAborted);
        }

        SiteCookie.Clear(context);
        return Results.LocalRedirect(SignInPath);
    }

    /// <summary>Goes on in another project, at its first page: what the page before showed may not exist there.</summary>
    private static async Task<IResult> ChangeProjectAsync(HttpContext context, SignedIn signedIn, IAntiforgery antiforgery)
    {
        if (!await IsOursAsync(context, antiforgery))
        {
            return Results.BadRequest();
        }

        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        if (context.Request.Cookies[SiteCookie.NameOf(context.Request)] is { Length: > 0 } token)
        {
            await signedIn.MoveAsync(token, form["tenant"].ToString(), context.RequestAborted);
        }

        return Results.LocalRedirect(LocalAddress.Home);
    }

    /// <summary>Whether a page of ours sent the form. Here and not in the middleware, so that no form is read before it.</summary>
    private static async Task<bool> IsOursAsync(HttpContext context, IAntiforgery antiforgery) =>
        context.Request.HasFormContentType && await antiforgery.IsRequestValidAsync(context);

    private static IResult SignInPage(HttpContext context, IAntiforgery antiforgery, string returnUrl, string? failure)
    {
        var tokens = antiforgery.GetAndStoreTokens(context);
        return Html(AccountPages.SignIn(tokens.FormFieldName, tokens.RequestToken!, returnUrl, failure), failure);
    }

    private static IResult SetUpPage(HttpContext context, IAntiforgery antiforgery, string? failure)
    {
        var tokens = antiforgery.GetAndStoreTokens(context);
        return Html(AccountPages.SetUp(tokens.FormFieldName, tokens.RequestToken!, failure), failure);
    }

    private static IResult Html(string page, string? failure) =>
        Results.Content(page, "text/html; charset=utf-8", statusCode: failure is null ? 200 : 401);
}
