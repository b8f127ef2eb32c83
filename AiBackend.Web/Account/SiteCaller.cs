using System.Net.Http.Headers;
using System.Security.Claims;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Web.Api;
using Microsoft.AspNetCore.Components.Authorization;

namespace AiBackend.Web.Account;

/// <summary>With what this reader's requests to the Api are signed. One per page, and per circuit.</summary>
internal sealed class SiteCaller(IServiceProvider services, DevelopmentKey key)
{
    private ClaimsPrincipal? _user;

    /// <summary>The session's token; at a desk without one, the development key; null when there is neither.</summary>
    public string? Token => UserToken ?? key.Current;

    /// <summary>The token of who signed in; null when nobody did.</summary>
    public string? UserToken => User?.FindFirst(SiteCookieHandler.TokenClaim)?.Value;

    // Whoever makes the page, or the circuit, says who it is before anything else happens; without pages around it nobody signs in. Kept,
    // because what a page began, such as the feed of a run, asks on when the page is gone and others have joined it.
    private ClaimsPrincipal? User
    {
        get
        {
            if (
                _user is null
                && services.GetService<AuthenticationStateProvider>()?.GetAuthenticationStateAsync()
                    is { IsCompletedSuccessfully: true } state
            )
            {
                _user = state.GetAwaiter().GetResult().User;
            }

            return _user;
        }
    }

    /// <summary>Whether the reader may do something; who is not signed in at a desk may do everything. The Api decides all the same.</summary>
    public bool May(string scope) => UserToken is null || User!.HasClaim(SiteCookieHandler.ScopeClaim, scope);

    /// <summary>Why the reader may not do something, for who wonders about a button that is switched off; null when it is allowed.</summary>
    public string? WhyNot(string scope) =>
        May(scope)
            ? null
            : $"Your role is {Role}, which may not do this. An administrator of your organisation can give you the role {Roles.For(scope)}.";

    public string? Role => User?.FindFirst(ClaimTypes.Role)?.Value;

    /// <summary>The user's id; null when nobody signed in.</summary>
    public string? UserId => User?.FindFirst(ClaimTypes.NameIdentifier)?.Value;

    /// <summary>The project in which the reader works; null when nobody signed in.</summary>
    public string? Project => User?.FindFirst(SiteCookieHandler.ProjectClaim)?.Value;

    /// <summary>Says who asks, and in which project: another tab may have moved the session, and what this page shows is of the one before.</summary>
    public void Sign(HttpRequestMessage request)
    {
        request.Headers.Authorization = Token is { } token ? new AuthenticationHeaderValue("Bearer", token) : null;
        if (Project is { } project)
        {
            request.Headers.Add(RequestHeaders.Tenant, project);
        }
    }

    /// <summary>Those in which the reader may work, and what people call them.</summary>
    public IReadOnlyList<(string Slug, string Name)> Projects =>
        [
            .. (User?.FindAll(SiteCookieHandler.ProjectsClaim) ?? [])
                .Select(claim => claim.Value.Split(' ', 2))
                .Select(parts => (parts[0], parts[1])),
        ];

    /// <summary>The Api refused it: a new database comes with a new development key in the same file.</summary>
    public void Refused() => key.Forget();
}
