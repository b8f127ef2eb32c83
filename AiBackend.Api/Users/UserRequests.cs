using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;

namespace AiBackend.Api.Users;

/// <summary><c>/api/v1/users</c>: the people of the caller's organisation; operators see all.</summary>
internal sealed class UserRequests(UserStore users, TimeProvider clock)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var found = await users.ListAsync(context.User.GetCaller().OrganisationId, null, context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new UserList([.. found.Select(Show)]), WireJson.Default.UserList);
    }

    public async Task PostAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CreateUserRequest);
        UserRecord user = null!;
        refusal ??=
            QueryParameters.CheckNames(context.Request)
            ?? UserRules.CheckNew(request, caller.OrganisationId, out user)
            ?? CheckKey(caller)
            ?? CheckRole(caller, user);
        // A key of one tenant makes the first user of its organisation; who that is decides about the others.
        var onlyFirst = caller.UserId is null && !caller.IsOperator();
        if (refusal is null && onlyFirst && (await users.ListAsync(caller.OrganisationId, null, context.RequestAborted)).Count > 0)
        {
            refusal = RefuseKey(caller);
        }

        var made = refusal is null
            ? await users.AddAsync(user, request.Password!, caller.KeyId, onlyFirst ? UserRole.Viewer : null, context.RequestAborted)
            : null;
        await AnswerAsync(context, StatusCodes.Status201Created, refusal ?? (made is null ? Taken(user.Email) : null), made);
    }

    public async Task PatchAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ChangeUserRequest);
        refusal ??= QueryParameters.CheckNames(context.Request);
        var text = (string)context.Request.RouteValues["id"]!;
        var user =
            refusal is null && Guid.TryParseExact(text, "D", out var id)
                ? (await users.ListAsync(caller.IsOperator() ? null : caller.OrganisationId, id, context.RequestAborted)).SingleOrDefault()
                : null;
        refusal ??= user is null
            ? ProblemTypes.UserNotFound.With($"There is no user {Quoted.Of(text)}. GET /api/v1/users lists them.")
            : null;
        UserRecord changed = null!;
        refusal ??=
            UserRules.CheckChange(request, user!, caller, clock.GetUtcNow(), out changed)
            ?? CheckKey(caller)
            ?? (caller.UserId is null && !caller.IsOperator() ? RefuseKey(caller) : null)
            ?? CheckRole(caller, user!)
            ?? CheckRole(caller, changed);
        var token = caller.UserId is null ? null : ApiKeyHandler.KeyOf(context.Request);
        var now = refusal is null ? await users.ChangeAsync(user!, changed, request.Password, token, context.RequestAborted) : null;
        await AnswerAsync(context, StatusCodes.Status200OK, refusal, now);
    }

    /// <summary>Nobody makes somebody who may do more.</summary>
    private static Refusal? CheckRole(Caller caller, UserRecord user) =>
        UserRoles.ScopesOf(user.Role, user.OrganisationId == ApiKeyStore.DefaultTenant).FirstOrDefault(scope => !caller.Has(scope))
            is { } scope
            ? ProblemTypes.BeyondOwnKey.At(
                "role",
                $"The role {user.Role.ToWire()} has the scope {scope}, which {caller.KeyId} does not have. Have somebody do it who has it."
            )
            : null;

    /// <summary>A user reaches every tenant of the organisation, from anywhere and without limits; who makes one must not be held to less.</summary>
    private static Refusal? CheckKey(Caller caller) =>
        caller.IsBesideOperators()
            ? ProblemTypes.MissingScope.With(
                "In the operators' organisation only their tenant, default, makes and changes users. Work there."
            )
        : caller is { AllowedNetworks: null, AllowedModels: null, HighestPriority: null } && caller.Limits == KeyLimits.None ? null
        : ProblemTypes.BeyondOwnKey.With(
            $"The key {caller.KeyId} is bound to networks, models, a priority or limits, which no user is. Use a key that is not, or sign in."
        );

    private static Refusal RefuseKey(Caller caller) =>
        ProblemTypes.BeyondOwnKey.With(
            $"Users of the organisation reach all its tenants, the key {caller.KeyId} one. Have an administrator of it sign in and do it, or an operator."
        );

    private static Refusal Taken(string email) =>
        ProblemTypes.SlugTaken.With($"There is already a user {Quoted.Of(email)}. Change that one, or use another address.");

    public static User Show(UserRecord user) =>
        new()
        {
            Id = user.Id,
            Email = user.Email,
            Name = user.Name,
            Role = user.Role.ToWire(),
            Organisation = user.Organisation,
            CreatedAt = user.CreatedAt,
            DisabledAt = user.DisabledAt,
            LastSignInAt = user.LastSignInAt,
        };

    private static Task AnswerAsync(HttpContext context, int status, Refusal? refusal, UserRecord? user) =>
        refusal is null ? JsonAnswer.WriteAsync(context, status, Show(user!), WireJson.Default.User) : context.RefuseAsync(refusal);
}
