using AiBackend.ApiContracts.Files;

namespace AiBackend.Web.Api;

/// <content>Files.</content>
internal sealed partial class ApiClient
{
    /// <param name="name">As the reader calls it.</param>
    /// <param name="content">Read once: an upload that broke off is begun anew by the reader.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<ApiResult<TenantFile>> UploadAsync(string name, Stream content, CancellationToken cancellationToken)
    {
        using var form = new MultipartFormDataContent { { new StreamContent(content), "file", name } };
        var message = new HttpRequestMessage(HttpMethod.Post, "api/v1/files") { Content = form };
        // The client of streams: a file may take longer than a page waits.
        return await SendAsync(message, ClientJson.Lenient.TenantFile, cancellationToken, ApiEventStream.Name) switch
        {
            ApiResult<TenantFile>.Failure(var reason) => new ApiResult<TenantFile>.Failure(reason.OfAction),
            var answer => answer,
        };
    }
}
