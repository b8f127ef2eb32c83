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

/// <summary><c>/api/v1/setup</c>: the first administrator, made by whoever has the token from the log, or a key that may make users.</summary>
internal sealed class SetupRequests(SetupToken setup, UserStore users, Callers callers, AttemptLimits attempts)
{
    public async Task GetAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var state = new SetupState(await setup.IsNeededAsync(context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, state, WireJson.Default.SetupState);
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.SetupRequest);
        refusal ??= QueryParameters.CheckNames(context.Request);
        refusal ??= attempts.RefuseSignIn(context.Connection.RemoteIpAddress, "setup");
        if (refusal is null && !await MayAsync(request.Token ?? "", context.RequestAborted))
        {
            attempts.CountSignIn(context.Connection.RemoteIpAddress, "setup");
            refusal = ProblemTypes.SignInFailed.With(
                "The token is not the one in the server's log, or an hour old, or there is an administrator already. Restart a server for another token."
            );
        }

        UserRecord user = null!;
        refusal ??= UserRules.CheckNew(
            new CreateUserRequest
            {
                Email = request!.Email,
                Name = request.Name,
                Password = request.Password,
                Role = UserRole.Admin.ToWire(),
            },
            ApiKeyStore.DefaultTenant,
            out user
        );
        if (refusal is null)
        {
            AuditActor.Current = new AuditActor(
                ApiKeyStore.DefaultTenant,
                user.Actor,
                "set_up",
                Activity.Current?.TraceId.ToHexString(),
                context.Connection.RemoteIpAddress?.ToString()
            );
            if (await users.AddAsync(user, request.Password!, null, firstFrom: UserRole.Admin, context.RequestAborted) is { } made)
            {
                await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, UserRequests.Show(made), WireJson.Default.User);
                return;
            }

            refusal = ProblemTypes.SignInFailed.With(
                "There is an administrator already, or a user of that address. Sign in, or use another address."
            );
        }

        await context.RefuseAsync(refusal);
    }

    private async Task<bool> MayAsync(string token, CancellationToken cancellationToken) =>
        Callers.IsWhole(token)
            ? await callers.FindAsync(token, cancellationToken) is { } caller && caller.IsOperator() && caller.Has(Policies.WriteUsers)
            : await setup.IsRightAsync(token, cancellationToken);
}
