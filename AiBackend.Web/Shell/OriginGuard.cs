using AiBackend.ServiceDefaults.Hosting;

namespace AiBackend.Web.Shell;

/// <summary>
/// Refuses what another site's page has a browser do here with its reader's cookie: forms, and circuits, since no browser asks
/// before it opens a WebSocket. Programs send no origin and no cookie that would be worth anything.
/// </summary>
internal static class OriginGuard
{
    public static void UseOriginGuard(this IApplicationBuilder app) =>
        app.Use(
            (context, next) =>
            {
                if (!IsForeign(context.Request))
                {
                    return next(context);
                }

                // Without a page: nobody who is meant looks at it.
                context.Response.StatusCode = StatusCodes.Status403Forbidden;
                return context.Response.CompleteAsync();
            }
        );

    private static bool IsForeign(HttpRequest request)
    {
        var isCircuit = request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase);
        if (!isCircuit && (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)))
        {
            return false;
        }

        if (request.Headers["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site")
        {
            return true;
        }

        return request.Headers.Origin.ToString() switch
        {
            "" => false,
            // Forms of our own pages come so, since these tell nobody where they are; their antiforgery token says whose they are.
            // And so a page that is closed says goodbye to its circuit.
            "null" => isCircuit && request.Headers["Sec-Fetch-Site"].ToString() is not "same-origin",
            var origin => !request.IsOwn(origin),
        };
    }
}
