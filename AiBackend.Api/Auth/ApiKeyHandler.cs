using System.Security.Claims;
using System.Text.Encodings.Web;
using AiBackend.Api.Audit;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Problems;
using AiBackend.Core.Audit;
using AiBackend.Core.Tenancy.Users;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace AiBackend.Api.Auth;

/// <summary>Finds the caller behind <c>Authorization: Bearer aib_…</c>. Keys anywhere else do not count; a ticket for one stream does.</summary>
internal sealed class ApiKeyHandler(
    Callers callers,
    RefusedActs refused,
    AttemptLimits attempts,
    StreamTicketDoor tickets,
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "ApiKey";

    private const string Prefix = "Bearer ";

    /// <returns>What the one header claims to be a key, or null.</returns>
    public static string? KeyOf(HttpRequest request) =>
        // Two headers: which one counts would depend on who reads them, so neither does.
        request.Headers.Authorization
            is [{ } header]
        && header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)
            ? header[Prefix.Length..]
            : null;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (StreamTicketDoor.IsAsked(Context))
        {
            return attempts.IsOver(Context.Connection.RemoteIpAddress) || await tickets.FindAsync(Context) is not { } reader
                ? AuthenticateResult.NoResult()
                : AuthenticateResult.Success(TicketOf(reader));
        }

        // None: asking for RequestAborted makes Kestrel allocate a source for every request, and the command timeout bounds the look-up.
        // A key from where it may not come from is told nothing else than one that does not exist.
        return
            KeyOf(Request) is not { } key
            || (attempts.IsOver(Context.Connection.RemoteIpAddress) && !callers.IsKnown(key))
            || await callers.FindAsync(key, MeantTenant.Of(Request), CancellationToken.None) is not { } caller
            || !caller.MayComeFrom(Context.Connection.RemoteIpAddress)
            ? AuthenticateResult.NoResult()
            : AuthenticateResult.Success(TicketOf(new CallerIdentity(caller, key)));
    }

    /// <summary>A connection that lives on ends with its key.</summary>
    private static AuthenticationTicket TicketOf(CallerIdentity identity)
    {
        var ticket = new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName);
        if (identity.Caller.ExpiresAt is { } end)
        {
            ticket.Properties.ExpiresUtc = end;
        }

        return ticket;
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (attempts.CountFailure(Context.Connection.RemoteIpAddress) is { } over)
        {
            return Context.RefuseAsync(over);
        }

        Response.Headers.WWWAuthenticate = "Bearer";
        return Context.RefuseAsync(MisplacedKey.Find(Request) ?? MisplacedKey.None);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        if (Context.GetEndpoint() is { } endpoint && AuditedRequests.IsAudited(endpoint) && AuditedRequests.ActorOf(Context) is { } actor)
        {
            refused.Note(actor, "refused", Request.Path.Value ?? "");
        }

        return Context.RefuseAsync(
            ProblemTypes.MissingScope.With(
                $"The key {Context.User.GetCaller().KeyId} lacks the scope that {Request.Method} {Request.Path} needs, or is not of the operators' tenant, default, where it is about the whole installation. Use a key that may."
            )
        );
    }
}

/// <summary>What a caller without a valid key is told.</summary>
internal static class MisplacedKey
{
    private static readonly string[] Prefixes = ["aib_live_", "aib_test_", SessionStore.Prefix];

    /// <summary>One text whatever the reason, so that nobody learns which keys exist.</summary>
    public static readonly Refusal None = ProblemTypes.Unauthorized.With(
        "The request carries no valid API key. Send exactly one header \"Authorization: Bearer aib_…\" with a key that is neither revoked nor expired."
    );

    /// <summary>A key in an address or a cookie ends up in logs and histories, so it is refused even when it is valid.</summary>
    public static Refusal? Find(HttpRequest request)
    {
        if (request.Headers.Authorization.Count > 0)
        {
            return null;
        }

        var place =
            Holds(request.QueryString.Value) ? "in the address"
            : Holds(request.Headers[HeaderNames.Cookie]) ? "in a cookie"
            : null;
        return place is null
            ? null
            : ProblemTypes.Unauthorized.With(
                $"An API key {place} is refused, because it would end up in logs. Send it as \"Authorization: Bearer aib_…\", and replace this key: it may have been recorded."
            );
    }

    private static bool Holds(string? text) =>
        text is not null && Array.Exists(Prefixes, prefix => text.Contains(prefix, StringComparison.Ordinal));
}
