using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Knowledge;

/// <summary>Log events 3400-3499 (docs/operations.md). Never pass a text or a source.</summary>
internal static partial class KnowledgeLog
{
    [LoggerMessage(
        3400,
        LogLevel.Warning,
        "Passages of tenant {Tenant} were not turned into vectors ({Reason}); they are found by their words until they are"
    )]
    public static partial void PassagesWait(this ILogger logger, Guid tenant, string reason);
}
