using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Net.Http.Headers;
using AiBackend.Core.Providers.Configuration;
using OpenAI;
using OpenAI.Chat;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>The SDK's client for one provider, over a connection pool of its own.</summary>
/// <remarks>
/// Everything that could retry, time out or follow on its own is off: attempts belong to the route and to the job, time to
/// <see cref="StreamTimeouts"/>. The handler for ordinary HTTP calls never wraps this one; its ten seconds would cut answers.
/// </remarks>
internal sealed class OpenAiTransport : IDisposable
{
    private readonly HttpClient _http;

    public OpenAiTransport(ProviderOptions provider)
    {
        _http = new HttpClient(Handler(provider), disposeHandler: true) { Timeout = Timeout.InfiniteTimeSpan };
        var options = new OpenAIClientOptions
        {
            Endpoint = provider.BaseUrl,
            Transport = new StreamingTransport(_http),
            RetryPolicy = new ClientRetryPolicy(ProviderCatalog.TriesPerCall - 1),
            NetworkTimeout = Timeout.InfiniteTimeSpan,
            UserAgentApplicationId = "AiBackend",
            // Its messages would contain prompts.
            ClientLoggingOptions = new ClientLoggingOptions { EnableLogging = false },
            // The span of the call is ours, with names that cover every provider.
            EnableDistributedTracing = false,
        };
        Client = new ChatClient(provider.Model, new ApiKeyCredential(provider.ApiKey ?? "none"), options);
    }

    public ChatClient Client { get; }

    public void Dispose() => _http.Dispose();

    private static SocketsHttpHandler Handler(ProviderOptions provider) =>
        new()
        {
            ConnectTimeout = provider.Timeouts.Connect,
            AllowAutoRedirect = false,
            UseCookies = false,
            // A proxy between us and our own machine could only be a mistake.
            UseProxy = !provider.BaseUrl.IsLoopback,
            AutomaticDecompression = DecompressionMethods.None,
            // New addresses of the provider are found within minutes.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            // An abandoned answer must stop being generated, and billed, at once; a finished one leaves its connection usable.
            ResponseDrainTimeout = TimeSpan.FromMilliseconds(250),
            MaxResponseDrainSize = 64 * 1024,
            MaxResponseHeadersLength = 64,
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
