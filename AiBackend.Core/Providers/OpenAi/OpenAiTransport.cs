using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net.Http.Headers;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Wire;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>The SDK's clients for one provider, over one pool of connections. What it could retry, time out or follow on its own is off, see <see cref="ProviderHttp"/>.</summary>
internal sealed class OpenAiTransport : IDisposable
{
    private readonly HttpClient _http;

    public OpenAiTransport(ProviderOptions provider)
    {
        _http = ProviderHttp.Create(provider);
        var key = new ApiKeyCredential(provider.ApiKey ?? "none");
        Client = new ChatClient(provider.Model, key, Options(provider, new StreamingTransport(_http)));
        Embeddings = new OpenAiEmbeddings(
            provider,
            new EmbeddingClient(provider.Model, key, Options(provider, new HttpClientPipelineTransport(_http)))
        );
    }

    public ChatClient Client { get; }

    public OpenAiEmbeddings Embeddings { get; }

    public void Dispose() => _http.Dispose();

    private static OpenAIClientOptions Options(ProviderOptions provider, PipelineTransport transport) =>
        new()
        {
            Endpoint = provider.BaseUrl,
            Transport = transport,
            RetryPolicy = new ClientRetryPolicy(ProviderCatalog.TriesPerCall - 1),
            NetworkTimeout = Timeout.InfiniteTimeSpan,
            UserAgentApplicationId = "AiBackend",
            // Its messages would contain prompts.
            ClientLoggingOptions = new ClientLoggingOptions { EnableLogging = false },
            // The span of the call is ours, with names that cover every provider.
            EnableDistributedTracing = false,
        };

    /// <summary>Asks for an event stream where only the server sees it.</summary>
    /// <remarks>
    /// The SDK's pipeline takes that header as a wish to reconnect: it would follow redirects and post the request again when
    /// a stream breaks, which is a second, paid call nobody has counted.
    /// </remarks>
    private sealed class StreamingTransport(HttpClient http) : HttpClientPipelineTransport(http)
    {
        private static readonly MediaTypeWithQualityHeaderValue EventStream = new("text/event-stream");

        protected override void OnSendingRequest(PipelineMessage message, HttpRequestMessage httpRequest)
        {
            httpRequest.Headers.Accept.Clear();
            httpRequest.Headers.Accept.Add(EventStream);
        }
    }
}
