using Microsoft.Extensions.Logging;

namespace AiBackend.ServiceDefaults.Resilience;

/// <summary>Log events 0900–0999 (docs/operations.md).</summary>
internal static partial class ResilienceLog
{
    [LoggerMessage(900, LogLevel.Information, "Call {Attempt} of client {Client} ended with {Reason}; repeated after {DelaySeconds} s")]
    public static partial void RequestRetried(this ILogger logger, string client, int attempt, string reason, double delaySeconds);

    [LoggerMessage(901, LogLevel.Warning, "Calls of client {Client} were suspended for {BreakSeconds} s; the latest ended with {Reason}")]
    public static partial void CircuitOpened(this ILogger logger, string client, string reason, double breakSeconds);

    [LoggerMessage(902, LogLevel.Information, "Calls of client {Client} were resumed")]
    public static partial void CircuitClosed(this ILogger logger, string client);
}
