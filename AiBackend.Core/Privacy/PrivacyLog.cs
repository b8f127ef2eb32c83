using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Privacy;

/// <summary>Log events 3300-3399 (docs/operations.md).</summary>
internal static partial class PrivacyLog
{
    [LoggerMessage(3300, LogLevel.Information, "Tenant {Slug} is {Done}; the proof is in tenant_deletions and the audit log")]
    public static partial void TenantDeleted(this ILogger logger, string slug, string done);

    [LoggerMessage(3301, LogLevel.Error, "A piece of the deletion of tenant {Slug} failed; it is tried again, and others go on")]
    public static partial void TenantNotDeleted(this ILogger logger, Exception exception, string slug);

    [LoggerMessage(3302, LogLevel.Error, "What tenant {Tenant} keeps too long was not deleted; it is tried again, and others go on")]
    public static partial void ContentNotExpired(this ILogger logger, Exception exception, Guid tenant);
}
