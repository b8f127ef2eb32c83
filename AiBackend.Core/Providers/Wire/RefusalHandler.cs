using System.Net;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers.Wire;

/// <summary>Lets nothing but answers through to an SDK: a refusal becomes an exception of ours before.</summary>
/// <remarks>SDKs read a refusal's body whatever its size, repeat it in their messages, and forget the header that says when to come back.</remarks>
internal sealed class RefusalHandler(ProviderOptions provider, HttpMessageHandler network) : DelegatingHandler(network)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (CallName.Current is { } name)
        {
            request.Headers.TryAddWithoutValidation(CallName.Header, name);
        }

        if (CallName.Caller is { } caller)
        {
            await caller.BeforeSendAsync(cancellationToken);
        }

        var response = await ConnectAsync(request, cancellationToken);
        if (response.StatusCode == HttpStatusCode.OK)
        {
            return response;
        }

        using (response)
        {
            throw await ErrorResponse.ReadAsync(provider.Name, response, cancellationToken);
        }
    }

    private async Task<HttpResponseMessage> ConnectAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (OperationCanceledException late) when (!cancellationToken.IsCancellationRequested)
        {
            // Only the network's connect limit cancels on its own.
            throw new ProviderTimeoutException(provider.Name, ProviderTimeoutKind.Connect, provider.Timeouts.Connect, late);
        }
    }
}
