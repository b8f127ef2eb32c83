namespace Aspire.Hosting.ApplicationModel;

public static class KnownResourceStates
{
    public static readonly string NotStarted = "NotStarted";
    public static readonly string Waiting = "Waiting";
    public static readonly string Starting = "Starting";
    public static readonly string Running = "Running";
    public static readonly string Stopping = "Stopping";

    /// <summary>Ended on purpose: stopped by its owner, or killed while the application stopped.</summary>
    public static readonly string Exited = "Exited";

    /// <summary>A program that runs to completion came to its end; the exit code tells how.</summary>
    public static readonly string Finished = "Finished";
    public static readonly string FailedToStart = "FailedToStart";

    public static readonly IReadOnlyList<string> TerminalStates = [Finished, FailedToStart, Exited];
}
