using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Audit;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;

namespace AiBackend.Api.Users;

/// <summary><c>/api/v1/sessions</c>: signing in and out.</summary>
internal sealed class SessionRequests(
    SessionStore sessions,
    UserStore users,
    TenantAdministration tenants,
    AttemptLimits attempts,
    RefusedActs refused,
    TimeProvider clock
) : IDisposable
{
    // Hashing a password takes a processor for a tenth of a second: guesses may not have all of them.
    private const int HashingAtOnce = 2;
    private const int MostTenants = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _hashing = new(HashingAtOnce);

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CreateSessionRequest);
        refusal ??= QueryParameters.CheckNames(context.Request);
        var (email, password) = (request?.Email?.Trim().ToLowerInvariant() ?? "", request?.Password ?? "");
        if (refusal is null && (email.Length is 0 or > UserRules.MostEmail || password.Length is 0 or > UserRules.MostPassword))
        {
            refusal = Wrong;
        }

        refusal ??= attempts.RefuseSignIn(context.Connection.RemoteIpAddress, email);
        if (refusal is null)
        {
            (refusal, var begun) = await BeginAsync(context, email, password);
            if (begun is not null)
            {
                context.Response.Headers.CacheControl = "no-store";
                var answer = new SessionBegun(begun.Token, UserRequests.Show(begun.User));
                await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, answer, WireJson.Default.SessionBegun);
                return;
            }
        }

        await context.RefuseAsync(refusal!);
    }

    public async Task GetAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var caller = context.User.GetCaller();
        if (caller.UserId is not null)
        {
            // Where a session works is asked to know it for sure: pages say it, and what they send says it too.
            caller = await sessions.FindNowAsync(ApiKeyHandler.KeyOf(context.Request)!, context.RequestAborted);
        }

        await (caller is null ? context.RefuseAsync(MisplacedKey.None) : AnswerAsync(context, caller));
    }

    public async Task PatchAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ChangeSessionRequest);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? RefuseKey(context);
        var token = ApiKeyHandler.KeyOf(context.Request)!;
        if (refusal is null && !await sessions.MoveAsync(token, request.Tenant ?? "", context.RequestAborted))
        {
            refusal = ProblemTypes.TenantNotFound.With($"Your organisation has no tenant {Quoted.Of(request.Tenant ?? "")}.");
        }

        var moved = refusal is null ? await sessions.FindCallerAsync(token, context.RequestAborted) : null;
        await (moved is null ? context.RefuseAsync(refusal ?? MisplacedKey.None) : AnswerAsync(context, moved));
    }

    public async Task DeleteAsync(HttpContext context)
    {
        if ((QueryParameters.CheckNames(context.Request) ?? RefuseKey(context)) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        await sessions.EndAsync(ApiKeyHandler.KeyOf(context.Request)!, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    public void Dispose() => _hashing.Dispose();

    /// <summary>One answer whatever is wrong.</summary>
    private static Refusal Wrong { get; } =
        ProblemTypes.SignInFailed.With(
            "The address and the password do not belong together. Check both; an administrator can set another password."
        );

    private static Refusal? RefuseKey(HttpContext context) =>
        context.User.GetCaller().UserId is null
            ? ProblemTypes.InvalidValue.With("The request carries an API key, which has no session. Sign in with POST /api/v1/sessions.")
            : null;

    private async Task<(Refusal? Refusal, NewSession? Begun)> BeginAsync(HttpContext context, string email, string password)
    {
        var address = context.Connection.RemoteIpAddress;
        await Task.Delay(attempts.DelayOf(email), clock, context.RequestAborted);
        if (!await _hashing.WaitAsync(Patience, context.RequestAborted))
        {
            return (ProblemTypes.Overloaded.With("Too many sign in at once. Try again.") with { RetryAfter = Patience }, null);
        }

        try
        {
            // Again: those that came at the same time were counted while this one waited.
            if (attempts.RefuseSignIn(address, email) is { } over)
            {
                return (over, null);
            }

            var actor = new AuditActor(
                ApiKeyStore.DefaultTenant,
                "anonymous",
                "sign_in",
                Activity.Current?.TraceId.ToHexString(),
                address?.ToString()
            );
            AuditActor.Current = actor;
            if (await sessions.BeginAsync(email, password, address?.ToString(), context.RequestAborted) is { } begun)
            {
                return (null, begun);
            }

            attempts.CountSignIn(address, email);
            refused.Note(actor, "refused", email);
            return (Wrong, null);
        }
        finally
        {
            _hashing.Release();
        }
    }

    private async Task AnswerAsync(HttpContext context, Caller caller)
    {
        var all = await tenants.ListAsync(caller.OrganisationId, null, context.RequestAborted);
        var tenant = all.FirstOrDefault(each => each.Id == caller.TenantId);
        if (tenant is null)
        {
            // Deleted a moment ago, with this session.
            await context.RefuseAsync(MisplacedKey.None);
            return;
        }

        var user = caller.UserId is { } id ? (await users.ListAsync(null, id, context.RequestAborted)).SingleOrDefault() : null;
        var info = new SessionInfo(
            caller.KeyId,
            user is null ? null : UserRequests.Show(user),
            tenant.Slug,
            tenant.Organisation,
            caller.Scopes,
            caller.IsOperator()
        )
        {
            Tenants = user is null
                ? []
                : [.. all.Where(each => each.DisabledAt is null).Take(MostTenants).Select(each => new SessionTenant(each.Slug, each.Name))],
        };
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, info, WireJson.Default.SessionInfo);
    }
}
