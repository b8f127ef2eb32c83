namespace AiBackend.Web.Shell;

/// <summary>Log events 4040-4059 (docs/operations.md).</summary>
internal static partial class ShellLog
{
    [LoggerMessage(4040, LogLevel.Warning, "A browser says that {Directive} of the policy refused {Blocked} in a page of {Page}")]
    public static partial void PolicyViolated(this ILogger logger, string directive, string blocked, string page);
}
