using System.Net;
using AiBackend.Web.Account;
using AiBackend.Web.Api;
using AiBackend.Web.Shell;
using Microsoft.AspNetCore.Components.Authorization;

namespace AiBackend.Web.Runs;

/// <summary>Files of runs, as downloads: <c>/files/{id}</c> is what the Api gives to whoever asks here.</summary>
internal static class FileDownload
{
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(10);

    public static string AddressOf(Guid file) => $"files/{file}";

    public static void MapFileDownload(this IEndpointRouteBuilder app) => app.MapGet("/files/{id:guid}", SendAsync);

    private static async Task SendAsync(
        Guid id,
        HttpContext context,
        IHttpClientFactory clients,
        SiteCaller caller,
        AuthenticationStateProvider state
    )
    {
        // Outside of a page nobody else says who asks.
        ((IHostEnvironmentAuthenticationStateProvider)state).SetAuthenticationState(Task.FromResult(new AuthenticationState(context.User)));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"api/v1/files/{id}/content");
        caller.Sign(request);
        using var answer = await AskAsync(clients, request, context.RequestAborted);
        var response = context.Response;
        response.Headers.CacheControl = "no-store";
        if (answer is not { IsSuccessStatusCode: true })
        {
            response.StatusCode = (int)(answer?.StatusCode ?? HttpStatusCode.BadGateway);
            response.ContentType = "text/plain; charset=utf-8";
            await response.WriteAsync(
                response.StatusCode == StatusCodes.Status404NotFound
                    ? "There is no such file any more: it has expired or was deleted.\n"
                    : "The file cannot be read now. Try again in a moment.\n",
                context.RequestAborted
            );
            return;
        }

        response.ContentType = answer.Content.Headers.ContentType?.ToString();
        response.ContentLength = answer.Content.Headers.ContentLength;
        response.Headers.ContentDisposition = answer.Content.Headers.ContentDisposition?.ToString() ?? "attachment";
        response.Headers.ContentSecurityPolicy = SecurityHeaders.OfDownloads;
        await answer.Content.CopyToAsync(response.Body, context.RequestAborted);
    }

    /// <returns>Null when the Api cannot be reached.</returns>
    private static async Task<HttpResponseMessage?> AskAsync(
        IHttpClientFactory clients,
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(LongestConnect);
        try
        {
            // The client of streams: a file may take longer than a page waits.
            return await clients
                .CreateClient(ApiEventStream.Name)
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
        }
        catch (Exception failure)
            when (failure is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}
