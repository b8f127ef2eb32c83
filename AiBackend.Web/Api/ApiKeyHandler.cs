using System.Net;
using System.Net.Http.Headers;

namespace AiBackend.Web.Api;

/// <summary>Signs every request to the Api.</summary>
internal sealed class ApiKeyHandler(DevelopmentKey key) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (key.Current is { } current)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", current);
        }

        var response = await base.SendAsync(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.Unauthorized)
        {
            key.Forget();
        }

        return response;
    }
}
