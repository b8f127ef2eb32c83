using AiBackend.ServiceDefaults.Resilience;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Polly;

namespace AiBackend.ServiceDefaults;

/// <summary>Resilience for ordinary calls between services.</summary>
public static class StandardResilienceRegistration
{
    /// <summary>Bounds, retries and breaks the calls of this named client; other clients stay as they are.</summary>
    /// <remarks>
    /// Not for model providers nor for event streams: their time-outs and retries belong to the provider pipeline and to the
    /// reader's cursor. A call that could not be made ends as <see cref="HttpRequestException"/>, whatever stopped it.
    /// Retried are GET, HEAD, OPTIONS, TRACE, PUT, DELETE and any request that carries an <c>Idempotency-Key</c>.
    /// </remarks>
    public static IHttpClientBuilder AddStandardResilience(
        this IHttpClientBuilder builder,
        Action<StandardResilienceOptions>? configure = null
    )
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new StandardResilienceOptions();
        configure?.Invoke(options);
        var name = builder.Name;

        // One pipeline a client name, not a handler: the factory renews handlers, and a circuit must outlive them.
        builder.Services.AddKeyedSingleton(
            name,
            (services, _) =>
                StandardPipeline.Build(
                    name,
                    options,
                    services.GetService<TimeProvider>() ?? TimeProvider.System,
                    services.GetRequiredService<ILoggerFactory>().CreateLogger("AiBackend.ServiceDefaults.Resilience")
                )
        );
        return builder.AddHttpMessageHandler(services => new StandardResilienceHandler(
            name,
            services.GetRequiredKeyedService<ResiliencePipeline<HttpResponseMessage>>(name)
        ));
    }
}
