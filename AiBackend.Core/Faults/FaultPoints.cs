using System.Diagnostics;
#if FAULT_POINTS
using System.Globalization;
using System.Runtime.InteropServices;
#endif

namespace AiBackend.Core.Faults;

/// <summary>
/// Where a test build lets a fault happen (<c>AIBACKEND_FAULT</c>). Calls exist only where <c>FAULT_POINTS</c> is defined, which is
/// in Debug builds: what is shipped has neither the calls nor what they do.
/// </summary>
public static class FaultPoints
{
    /// <summary>The symbol of test builds.</summary>
    internal const string Symbol = "FAULT_POINTS";

#if FAULT_POINTS
    private const int StopSignal = 19;
    private const int KillSignal = 9;

    // MiB. Without a limit nothing happens, which its test notices; the machine must not suffer for it.
    private const int MostGrowth = 2048;

    private static readonly Lock Gate = new();
    private static IReadOnlyList<FaultEntry> _plan = [];
    private static string? _evidence;
#endif

    /// <summary>Says that the process is at a point; the plan decides whether it goes on from there.</summary>
    /// <param name="point">Where it is.</param>
    /// <param name="subject">What it is about, for entries that name one: the model of a job.</param>
    [Conditional(Symbol)]
    public static void Hit(FaultPoint point, string? subject = null)
    {
#if FAULT_POINTS
        if (_plan.Count > 0)
        {
            Fire(point, subject);
        }
#endif
    }

#if FAULT_POINTS
    internal static void Arm(IReadOnlyList<FaultEntry> plan, string? evidenceFile)
    {
        _evidence = evidenceFile;
        _plan = plan;
    }

    private static void Fire(FaultPoint point, string? subject)
    {
        FaultEntry? due;
        lock (Gate)
        {
            due = _plan.FirstOrDefault(entry => entry.IsDue(point, subject));
            if (due is null)
            {
                return;
            }

            Record(point, due);
        }

        // Blocks its thread on purpose: what is tested is a process that makes no progress here.
        Thread.CurrentThread.Join(due.Delay);
        switch (due.Action)
        {
            case FaultAction.Kill:
                Signal(KillSignal);
                break;
            case FaultAction.Stop:
                Signal(StopSignal);
                break;
            case FaultAction.Fail:
                Environment.FailFast($"{point}: AIBACKEND_FAULT says so.");
                break;
            case FaultAction.Grow:
                Grow();
                break;
        }
    }

    private static void Grow()
    {
        var taken = new List<byte[]>();
        try
        {
            while (taken.Count < MostGrowth)
            {
                taken.Add(new byte[1 << 20]);
            }
        }
        catch (OutOfMemoryException)
        {
            // Nothing is made here: there is no memory for it.
            Environment.FailFast("Out of memory: AIBACKEND_FAULT says so.");
        }
    }

    /// <summary>Before the fault, not after it: a killed process tells nothing any more.</summary>
    private static void Record(FaultPoint point, FaultEntry entry)
    {
        if (_evidence is not null)
        {
            var line = string.Create(CultureInfo.InvariantCulture, $"{point} {entry.Action} {Environment.ProcessId}\n");
            File.AppendAllText(_evidence, line);
        }
    }

    private static void Signal(int signal)
    {
        // Sent to this thread, not to the process: then the next line is reached only after a stop. Another thread that had to take it first, on a
        // machine that is busy, would let this one go on for as long. It cannot fail.
        _ = Raise(signal);
    }

    [DllImport("libc", EntryPoint = "raise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Raise(int signal);
#endif
}
