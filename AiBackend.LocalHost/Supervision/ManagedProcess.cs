using System.Diagnostics;

namespace AiBackend.LocalHost.Supervision;

/// <summary>
/// A child in a session of its own, so that Ctrl+C at the terminal reaches this host alone and the host decides the order of
/// stopping. Its output is handed on line by line.
/// </summary>
internal sealed class ManagedProcess : IDisposable
{
    private static readonly TimeSpan PatienceWithLastLines = TimeSpan.FromMilliseconds(500);

    private readonly Process _process;

    private ManagedProcess(Process process, Task<int> exited)
    {
        _process = process;
        Pid = process.Id;
        Exited = exited;
    }

    public int Pid { get; }

    /// <summary>The exit code, after the last lines were handed on; 128 + n when signal n ended it.</summary>
    public Task<int> Exited { get; }

    public static ManagedProcess Start(ProcessSpec spec, string name, ChildLedger ledger, Action<string> onLine)
    {
        var start = new ProcessStartInfo("setsid")
        {
            WorkingDirectory = spec.WorkingDirectory,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (
            var argument in (string[])["/bin/sh", "-c", ChildLedger.RecordAndExec, name, ledger.Path, spec.FileName, .. spec.Arguments]
        )
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment.Clear();
        foreach (var (key, value) in spec.Environment)
        {
            start.Environment[key] = value;
        }

        var process =
            Process.Start(start)
            ?? throw new InvalidOperationException($"{spec.FileName} was not started, and the system did not say why.");
        process.StandardInput.Close();
        var lines = Task.WhenAll(ForwardAsync(process.StandardOutput, onLine), ForwardAsync(process.StandardError, onLine));
        return new(process, WaitAsync(process, lines));
    }

    public void Send(Signal signal)
    {
        if (!Exited.IsCompleted)
        {
            Signals.Send(Pid, signal);
        }
    }

    public void KillWithAllItStarted()
    {
        if (!Exited.IsCompleted)
        {
            Signals.SendToGroup(Pid, Signal.Kill);
        }
    }

    /// <summary>Asks the process to end, and ends it and all it started when it has not by the time the token fires.</summary>
    public async Task StopAsync(Signal signal, CancellationToken patience)
    {
        Send(signal);

        // A frozen process would not see the request.
        Send(Signal.Continue);
        try
        {
            await Exited.WaitAsync(patience);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            KillWithAllItStarted();
            await Exited;
        }
    }

    public void Dispose() => _process.Dispose();

    private static async Task<int> WaitAsync(Process process, Task lines)
    {
        await process.WaitForExitAsync(CancellationToken.None);
        var exitCode = process.ExitCode;

        // What it started and left behind is not supervised by anyone: it goes with it.
        Signals.SendToGroup(process.Id, Signal.Kill);

        // A child of the child may hold the pipes open for long; its lines are not worth waiting for.
        await Task.WhenAny(lines, Task.Delay(PatienceWithLastLines, TimeProvider.System));
        return exitCode;
    }

    private static async Task ForwardAsync(StreamReader reader, Action<string> onLine)
    {
        try
        {
            while (await reader.ReadLineAsync(CancellationToken.None) is { } line)
            {
                onLine(line);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The pipe closed under the read; there are no more lines.
        }
    }
}
