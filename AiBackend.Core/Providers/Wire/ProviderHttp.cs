using System.Net;
using AiBackend.Core.Providers.Configuration;

namespace AiBackend.Core.Providers.Wire;

/// <summary>The HTTP client of one provider, over a connection pool of its own.</summary>
/// <remarks>
/// Everything that could retry, time out or follow on its own is off: attempts belong to the route and to the job, time to
/// <see cref="StreamTimeouts"/>. The handler for ordinary HTTP calls never wraps this one; its ten seconds would cut answers.
/// </remarks>
internal static class ProviderHttp
{
    public static HttpClient Create(ProviderOptions provider) =>
        new(new RefusalHandler(provider, Handler(provider)), disposeHandler: true) { Timeout = Timeout.InfiniteTimeSpan };

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
}
