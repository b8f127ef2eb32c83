using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Admission;

/// <summary>Log events 1900-1999 (docs/operations.md).</summary>
internal static partial class AdmissionLog
{
    [LoggerMessage(1900, LogLevel.Error, "What {Count} calls used could not be counted; what was reserved for them counts instead")]
    public static partial void SettlementFailed(this ILogger logger, Exception failure, int count);
}
