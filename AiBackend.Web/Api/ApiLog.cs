namespace AiBackend.Web.Api;

/// <summary>Log events 4000-4019 (docs/operations.md).</summary>
internal static partial class ApiLog
{
    [LoggerMessage(4000, LogLevel.Information, "The development key could not be read from {File} yet: {Reason}")]
    public static partial void DevelopmentKeyUnreadable(this ILogger logger, string file, string reason);

    [LoggerMessage(4001, LogLevel.Warning, "A call to the Api failed: {Method} {Path}: {Reason}")]
    public static partial void ApiCallFailed(this ILogger logger, string method, string path, string reason);
}
