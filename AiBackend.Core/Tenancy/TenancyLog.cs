using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Tenancy;

/// <summary>Log events 1600-1699 (docs/operations.md). Never pass a key.</summary>
internal static partial class TenancyLog
{
    [LoggerMessage(1600, LogLevel.Information, "Created the development key in {Path}")]
    public static partial void DevelopmentKeyCreated(this ILogger logger, string path);

    // The one secret that is told here, on purpose: whoever reads this log runs the installation, and it is good for an hour.
    [LoggerMessage(
        1601,
        LogLevel.Warning,
        "There is no administrator yet. Open /setup of the site within an hour and give this token: {Token}"
    )]
    public static partial void SetupTokenMade(this ILogger logger, string token);

    [LoggerMessage(
        1602,
        LogLevel.Warning,
        "Whether a first administrator is needed could not be read; restart a server to get a set-up token"
    )]
    public static partial void SetupTokenNotMade(this ILogger logger, Exception failure);
}
