using Microsoft.AspNetCore.Http;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>Whose page has a browser send a request.</summary>
public static class RequestOrigins
{
    /// <summary>Whether an <c>Origin</c> is the site itself. Not by the scheme: whatever ends TLS in front of it need not be known here.</summary>
    public static bool IsOwn(this HttpRequest request, string origin) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var page)
        && string.Equals(page.IdnHost, request.Host.Host.Trim('[', ']'), StringComparison.OrdinalIgnoreCase)
        && (request.Host.Port is { } port ? port == page.Port : page.IsDefaultPort);
}
