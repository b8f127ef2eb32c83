using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Operations;

/// <summary>Log events 3100-3199 (docs/operations.md).</summary>
internal static partial class OperationsLog
{
    [LoggerMessage(
        3100,
        LogLevel.Warning,
        "Which keys providers have refused could not be exchanged with the other processes; trying again soon"
    )]
    public static partial void KeyReportFailed(this ILogger logger, Exception failure);
}
