namespace AiBackend.Api.Hosting;

/// <summary>Headers that every answer carries.</summary>
internal static class ResponseGuards
{
    public static void UseResponseGuards(this WebApplication app) =>
        app.Use(
            (context, next) =>
            {
                // No browser may take JSON or an event stream for a page.
                context.Response.Headers.XContentTypeOptions = "nosniff";
                return next(context);
            }
        );
}
