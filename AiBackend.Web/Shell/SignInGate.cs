namespace AiBackend.Web.Shell;

/// <summary>Outside Development nobody is signed in by itself, and there is no other way yet: say so instead of failing later.</summary>
internal static class SignInGate
{
    private const string Page = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
          <meta charset="utf-8">
          <meta name="viewport" content="width=device-width, initial-scale=1">
          <title>Sign-in is not configured</title>
          <link rel="stylesheet" href="/css/tokens.css">
          <link rel="stylesheet" href="/css/app.css">
          <link rel="stylesheet" href="/css/shell.css">
        </head>
        <body>
          <main class="alone">
            <h1>Sign-in is not configured</h1>
            <p>This site shows people their own runs, so it has to know who they are. Signing in by itself happens only in
            Development, and no other way to sign in is set up here.</p>
            <p>Programs are not affected: they call the Api with their own keys.</p>
            <p>To try the site at your desk, start the stack with <code>./run.sh</code>.</p>
          </main>
        </body>
        </html>
        """;

    public static void UseSignInGate(this WebApplication app)
    {
        if (app.Environment.IsDevelopment())
        {
            return;
        }

        app.Use(
            async (context, next) =>
            {
                if (IsPublic(context.Request.Path))
                {
                    await next(context);
                    return;
                }

                context.Response.StatusCode = StatusCodes.Status403Forbidden;
                context.Response.ContentType = "text/html; charset=utf-8";
                await context.Response.WriteAsync(Page, context.RequestAborted);
            }
        );
    }

    private static bool IsPublic(PathString path) =>
        path.StartsWithSegments("/health", StringComparison.Ordinal)
        || path.StartsWithSegments("/css", StringComparison.Ordinal)
        || path == "/favicon.svg";
}
