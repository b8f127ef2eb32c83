using Microsoft.Extensions.Logging;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Log events 0900-0999 (docs/operations.md).</summary>
internal static partial class TelemetryLog
{
    [LoggerMessage(
        910,
        LogLevel.Information,
        "Prompts and answers were allowed on exported spans because capture was asked for in Development"
    )]
    public static partial void ContentIsExported(this ILogger logger);

    [LoggerMessage(
        911,
        LogLevel.Warning,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT was ignored: prompts and answers never leave a process in {Environment}. Remove it"
    )]
    public static partial void ContentCaptureIgnored(this ILogger logger, string environment);
}
