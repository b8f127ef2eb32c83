using AiBackend.Web.Account;

namespace AiBackend.Web.Shell;

/// <summary>Lets nobody in who is not signed in: always outside Development, where a clone opens without set-up unless it is told otherwise.</summary>
internal static class SignInGate
{
    /// <summary>Configuration: <c>true</c> asks for signing in in Development too.</summary>
    public const string Setting = "Account:RequireSignIn";

    public static bool IsNeeded(IHostEnvironment environment, IConfiguration configuration) =>
        !environment.IsDevelopment() || configuration.GetValue(Setting, defaultValue: false);

    public static void UseSignInGate(this WebApplication app)
    {
        if (!IsNeeded(app.Environment, app.Configuration))
        {
            return;
        }

        app.Use(
            (context, next) =>
            {
                if (IsPublic(context.Request.Path) || context.User.Identity?.IsAuthenticated == true)
                {
                    return next(context);
                }

                if (
                    HttpMethods.IsGet(context.Request.Method)
                    && !context.Request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase)
                )
                {
                    var wanted = context.Request.Path + context.Request.QueryString;
                    context.Response.Redirect(AccountEndpoints.SignInPath + QueryString.Create("returnUrl", wanted));
                    return Task.CompletedTask;
                }

                // Without a page: a circuit, or a form of one, has nowhere to be redirected to.
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                return context.Response.CompleteAsync();
            }
        );
    }

    private static bool IsPublic(PathString path) =>
        path.StartsWithSegments("/health", StringComparison.Ordinal)
        || path.StartsWithSegments("/css", StringComparison.Ordinal)
        || path.StartsWithSegments("/account", StringComparison.Ordinal)
        || path == "/favicon.svg"
        || path == PolicyReports.Path
        || path == AccountEndpoints.SignInPath
        || path == AccountEndpoints.SetUpPath;
}
