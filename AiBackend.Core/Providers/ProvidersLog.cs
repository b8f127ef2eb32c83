using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Providers;

/// <summary>Log events 1300-1399 (docs/operations.md). Never pass a prompt, an answer or a key.</summary>
internal static partial class ProvidersLog
{
    [LoggerMessage(1300, LogLevel.Information, "Provider {Provider} at {Address} serves {Models} (simulated: {Simulated})")]
    public static partial void ProviderConfigured(this ILogger logger, string provider, string address, string models, bool simulated);

    [LoggerMessage(1301, LogLevel.Warning, "Provider {Provider} failed with {Code}; {NextProvider} was asked")]
    public static partial void ProviderFailedOver(
        this ILogger logger,
        Exception failure,
        string provider,
        string nextProvider,
        string code
    );

    [LoggerMessage(
        1302,
        LogLevel.Error,
        "Provider {Provider} refused its key; nobody asks it until it has another one or is enabled again"
    )]
    public static partial void KeyRefused(this ILogger logger, string provider);

    [LoggerMessage(
        1310,
        LogLevel.Warning,
        "Provider {Provider} was down for model {Model}: {Outages} of {Calls} calls were outages; nobody asks it for {Seconds:0.0} s"
    )]
    public static partial void CircuitOpened(this ILogger logger, string provider, string model, int outages, int calls, double seconds);

    [LoggerMessage(
        1311,
        LogLevel.Information,
        "Provider {Provider} was asked for model {Model} by one call, to see whether it is well again"
    )]
    public static partial void CircuitProbed(this ILogger logger, string provider, string model);

    [LoggerMessage(1312, LogLevel.Information, "Provider {Provider} was well again for model {Model}")]
    public static partial void CircuitClosed(this ILogger logger, string provider, string model);
}
