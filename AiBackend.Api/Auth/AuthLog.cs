namespace AiBackend.Api.Auth;

/// <summary>Log events 3040-3059 (docs/operations.md). Never pass a key.</summary>
internal static partial class AuthLog
{
    [LoggerMessage(3040, LogLevel.Warning, "The keys of open streams could not be checked; they are checked again soon")]
    public static partial void KeysNotChecked(this ILogger logger, Exception failure);
}
