using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Tenancy;

/// <summary>Log events 1600-1699 (docs/operations.md). Never pass a key.</summary>
internal static partial class TenancyLog
{
    [LoggerMessage(1600, LogLevel.Information, "Created the development key in {Path}")]
    public static partial void DevelopmentKeyCreated(this ILogger logger, string path);
}
