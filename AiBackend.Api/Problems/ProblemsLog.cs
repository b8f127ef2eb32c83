namespace AiBackend.Api.Problems;

/// <summary>Log events 3000-3019 (docs/operations.md). Never pass a query string, a body or a key.</summary>
internal static partial class ProblemsLog
{
    [LoggerMessage(3000, LogLevel.Error, "{Method} {Path} failed unexpectedly; its caller was told so")]
    public static partial void RequestFailed(this ILogger logger, Exception failure, string method, string path);
}
