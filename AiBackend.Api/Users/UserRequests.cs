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
            ?? CheckRole(caller, user.Role);
        var made = refusal is null ? await users.AddAsync(user, request.Password!, caller.KeyId, false, context.RequestAborted) : null;
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
                ? (await users.ListAsync(caller.OrganisationId, id, context.RequestAborted)).SingleOrDefault()
                : null;
        refusal ??= user is null
            ? ProblemTypes.UserNotFound.With($"There is no user {Quoted.Of(text)}. GET /api/v1/users lists them.")
            : null;
        UserRecord changed = null!;
        refusal ??=
            UserRules.CheckChange(request, user!, caller, clock.GetUtcNow(), out changed)
            ?? CheckRole(caller, user!.Role)
            ?? CheckRole(caller, changed.Role);
        var now = refusal is null ? await users.ChangeAsync(changed, request.Password, context.RequestAborted) : null;
        await AnswerAsync(context, StatusCodes.Status200OK, refusal, now);
    }

    /// <summary>Nobody makes somebody who may do more.</summary>
    private static Refusal? CheckRole(Caller caller, UserRole role) =>
        UserRoles.ScopesOf(role, caller.OrganisationId == ApiKeyStore.DefaultTenant).FirstOrDefault(scope => !caller.Has(scope))
            is { } scope
            ? ProblemTypes.BeyondOwnKey.At(
                "role",
                $"The role {role.ToWire()} has the scope {scope}, which {caller.KeyId} does not have. Have somebody do it who has it."
            )
            : null;

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
