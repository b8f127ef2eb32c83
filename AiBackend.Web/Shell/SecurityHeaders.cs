using System.Security.Cryptography;

namespace AiBackend.Web.Shell;

/// <summary>Headers of every answer of this site: nothing foreign loads, nothing inline runs, nobody frames it.</summary>
internal static class SecurityHeaders
{
    /// <summary>What is downloaded runs nothing, also where a browser shows it.</summary>
    public const string OfDownloads = "sandbox; default-src 'none'";

    private static readonly object NonceKey = new();

    public static string NonceOf(HttpContext context) => (string)context.Items[NonceKey]!;

    public static void UseSecurityHeaders(this IApplicationBuilder app) =>
        app.Use(
            (context, next) =>
            {
                context.Items[NonceKey] = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
                // Not at once: what handles an exception clears the answer with its headers.
                context.Response.OnStarting(Set, context);
                return next(context);
            }
        );

    private static Task Set(object state)
    {
        var context = (HttpContext)state;
        var headers = context.Response.Headers;
        if (headers.ContentSecurityPolicy != OfDownloads)
        {
            headers.ContentSecurityPolicy = Policy(NonceOf(context));
        }

        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Reporting-Endpoints"] = $"csp=\"{PolicyReports.Path}\"";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Permissions-Policy"] = "accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (context.Response.ContentType?.StartsWith("text/html", StringComparison.OrdinalIgnoreCase) == true)
        {
            // Pages show somebody's data and must not stay in a shared browser; styles and scripts are public and may.
            headers.CacheControl = "no-store";
        }

        return Task.CompletedTask;
    }

    /// <summary>Component libraries set style attributes; style elements and inline scripts stay forbidden.</summary>
    private static string Policy(string nonce) =>
        $"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; style-src-attr 'unsafe-inline'; "
        + "img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'none'; frame-ancestors 'none'; "
        + "form-action 'self'; base-uri 'self'; object-src 'none'; worker-src 'self'; "
        // The second for browsers that do not know the first.
        + $"report-to csp; report-uri {PolicyReports.Path}";
}
