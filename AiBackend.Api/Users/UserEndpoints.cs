using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Users;

/// <summary>Every route about people, at a glance.</summary>
internal static class UserEndpoints
{
    public static void AddUserEndpoints(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<UserRequests>().AddSingleton<SessionRequests>().AddSingleton<SetupRequests>();

    public static void MapUsers(this IEndpointRouteBuilder app)
    {
        app.MapSessions(app.ServiceProvider.GetRequiredService<SessionRequests>());
        app.MapSetup(app.ServiceProvider.GetRequiredService<SetupRequests>());
        var users = app.ServiceProvider.GetRequiredService<UserRequests>();
        var group = app.MapGroup("/api/v1/users").WithTags("Users");
        group
            .MapGet("", users.ListAsync)
            .RequireAuthorization(Policies.ReadUsers)
            .Describe("ListUsers", "List users", "Those of your organisation.")
            .Answers<UserList>(StatusCodes.Status200OK, "The users.");
        group
            .MapPost("", users.PostAsync)
            .RequireAuthorization(Policies.WriteUsers)
            .Describe(
                "AddUser",
                "Add a user",
                "To your organisation. Nobody makes somebody who may do more.",
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.BeyondOwnKey, ProblemTypes.SlugTaken]
            )
            .Answers<User>(StatusCodes.Status201Created, "The user.")
            .Takes<CreateUserRequest>();
        group
            .MapPatch("/{id}", users.PatchAsync)
            .RequireAuthorization(Policies.WriteUsers)
            .Describe(
                "ChangeUser",
                "Change a user",
                "Another role counts within 5 s; a disabled user's sessions, and those of one with another password, end within 5 s, open streams within 15 s.",
                [Path("id", "The user.")],
                [.. ProblemTypes.OfBody, ProblemTypes.BeyondOwnKey, ProblemTypes.UserNotFound]
            )
            .Answers<User>(StatusCodes.Status200OK, "The user.")
            .Takes<ChangeUserRequest>();
    }

    private static void MapSessions(this IEndpointRouteBuilder app, SessionRequests sessions)
    {
        var group = app.MapGroup("/api/v1/sessions").WithTags("Users");
        group
            .MapPost("", sessions.PostAsync)
            .AllowAnonymous()
            .Describe(
                "SignIn",
                "Sign in",
                "Begins a session, whose token is sent like a key. It ends after 8 hours without use, and after 24 hours.",
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.SignInFailed, ProblemTypes.TooManyAttempts, ProblemTypes.Overloaded]
            )
            .Answers<SessionBegun>(StatusCodes.Status201Created, "The session, with its token.")
            .Takes<CreateSessionRequest>();
        group
            .MapGet("/current", sessions.GetAsync)
            .RequireAuthorization(Policies.AnyKey)
            .Describe("GetSession", "Read who asks", "Also for a key.")
            .Answers<SessionInfo>(StatusCodes.Status200OK, "Who asks, and what is allowed.");
        group
            .MapPatch("/current", sessions.PatchAsync)
            .RequireAuthorization(Policies.AnyKey)
            .Describe(
                "ChangeSession",
                "Work in another tenant",
                "One of the user's organisation.",
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.TenantNotFound]
            )
            .Answers<SessionInfo>(StatusCodes.Status200OK, "Who asks now.")
            .Takes<ChangeSessionRequest>();
        group
            .MapDelete("/current", sessions.DeleteAsync)
            .RequireAuthorization(Policies.AnyKey)
            .Audited()
            .Describe("SignOut", "Sign out", "Ends the session.", null, ProblemTypes.InvalidValue)
            .Means(StatusCodes.Status204NoContent, "It is over.");
    }

    private static void MapSetup(this IEndpointRouteBuilder app, SetupRequests setup)
    {
        var group = app.MapGroup("/api/v1/setup").WithTags("Users").AllowAnonymous();
        group
            .MapGet("", setup.GetAsync)
            .Describe("GetSetup", "Read whether there is a user", "An installation without users waits for its first administrator.")
            .Answers<SetupState>(StatusCodes.Status200OK, "Whether there is none.");
        group
            .MapPost("", setup.PostAsync)
            .Describe(
                "SetUp",
                "Make the first administrator",
                "Only while there is no user, with the token from the server's log or a key that may make users.",
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.SignInFailed, ProblemTypes.TooManyAttempts]
            )
            .Answers<User>(StatusCodes.Status201Created, "The administrator.")
            .Takes<SetupRequest>();
    }
}
