using System.Runtime.InteropServices;

namespace AiBackend.LocalHost.Supervision;

/// <summary>The signals this host sends, by their Linux numbers.</summary>
public enum Signal
{
    Interrupt = 2,
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}

internal static partial class Signals
{
    public static void Send(int pid, Signal signal) => _ = kill(pid, (int)signal);

    /// <summary>Every child leads a group of its own, so this reaches what the child started and nothing else.</summary>
    public static void SendToGroup(int leaderPid, Signal signal) => _ = kill(-leaderPid, (int)signal);

    [LibraryImport("libc")]
    private static partial int kill(int pid, int signal);
}
