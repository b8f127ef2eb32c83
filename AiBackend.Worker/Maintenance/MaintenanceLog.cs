namespace AiBackend.Worker.Maintenance;

/// <summary>Log events 2100-2199 (docs/operations.md).</summary>
internal static partial class MaintenanceLog
{
    [LoggerMessage(2100, LogLevel.Information, "This worker now leads: it dispatches, rescues and prunes for all")]
    public static partial void LeadershipBegan(this ILogger logger);

    [LoggerMessage(2101, LogLevel.Warning, "Leadership could not be had or kept; trying again")]
    public static partial void LeadershipLost(this ILogger logger, Exception failure);

    [LoggerMessage(2102, LogLevel.Warning, "Rescued {Count} jobs whose worker was lost")]
    public static partial void JobsRescued(this ILogger logger, int count);

    [LoggerMessage(2103, LogLevel.Warning, "A round of maintenance failed; the next one follows")]
    public static partial void MaintenanceFailed(this ILogger logger, Exception failure);

    [LoggerMessage(2104, LogLevel.Information, "Deleted {Count} jobs of tenants that keep theirs for a shorter time")]
    public static partial void ContentExpired(this ILogger logger, long count);
}
