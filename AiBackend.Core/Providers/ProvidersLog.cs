using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Providers;

/// <summary>Log events 1300-1399 (docs/operations.md). Never pass a prompt, an answer or a key.</summary>
internal static partial class ProvidersLog
{
    [LoggerMessage(1300, LogLevel.Information, "Provider {Provider} at {Address} serves {Models} (simulated: {Simulated})")]
    public static partial void ProviderConfigured(this ILogger logger, string provider, string address, string models, bool simulated);

    [LoggerMessage(1301, LogLevel.Warning, "Provider {Provider} failed before its first text with {Code}; {NextProvider} was tried")]
    public static partial void ProviderFailedOver(
        this ILogger logger,
        Exception failure,
        string provider,
        string nextProvider,
        string code
    );
}
