using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Admission;

/// <summary>Log events 1900-1999 (docs/operations.md).</summary>
internal static partial class AdmissionLog
{
    [LoggerMessage(1900, LogLevel.Error, "What {Count} calls used could not be written down; what was reserved for them counts instead")]
    public static partial void SettlementFailed(this ILogger logger, Exception? failure, int count);

    [LoggerMessage(
        1901,
        LogLevel.Warning,
        "Booked {Count} provider calls whose worker did not say how they ended: what was sent counts as spent"
    )]
    public static partial void CallsAbandoned(this ILogger logger, long count);

    [LoggerMessage(
        1902,
        LogLevel.Warning,
        "How fast slowed deployments may be asked could not be exchanged with the other processes; trying again soon"
    )]
    public static partial void PaceExchangeFailed(this ILogger logger, Exception failure);
}
