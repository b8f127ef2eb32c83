using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AiBackend.Tests.Fixtures;

/// <summary>A program that dies with the test process, however that ends.</summary>
/// <remarks>
/// The kernel sends the signal (<c>setpriv --pdeathsig</c>) when the <em>thread</em> that started the program ends, so all
/// are started by one thread that never does.
/// </remarks>
internal sealed class ChildProcess : IDisposable
{
    private const int KeptLines = 200;

    private static readonly BlockingCollection<Action> Starts = StartOnOneThread();

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly int _keptLines;

    private ChildProcess(Process process, int keptLines)
    {
        _process = process;
        _keptLines = keptLines;
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Once it has exited; 128 and the number of the signal that killed it.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>The last lines it wrote, for failure messages.</summary>
    public string Output => string.Join('\n', _output);

    /// <param name="program">Full path.</param>
    /// <param name="arguments">One element an argument; nothing is quoted.</param>
    /// <param name="orphanSignal">What it receives when the test process is gone, for example <c>KILL</c>.</param>
    /// <param name="user">Run as this user and its groups; only root may.</param>
    /// <param name="keepLines">How many of its last lines <see cref="Output"/> has.</param>
    /// <param name="environment">Variables added to those of the test process; null removes one.</param>
    public static async Task<ChildProcess> StartAsync(
        string program,
        IEnumerable<string> arguments,
        string orphanSignal = "KILL",
        string? user = null,
        IEnumerable<KeyValuePair<string, string?>>? environment = null,
        int keepLines = KeptLines
    )
    {
        string[] identity = user is null ? [] : [$"--reuid={user}", $"--regid={user}", "--init-groups"];
        var start = new ProcessStartInfo(
            TestRun.Require("setpriv", "/usr/bin", "/bin"),
            [.. identity, "--pdeathsig", orphanSignal, "--", program, .. arguments]
        )
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (var (name, value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        var started = new TaskCompletionSource<ChildProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
        Starts.Add(() => Start(start, keepLines, started), TestRun.Cancel);
        return await started.Task;
    }

    /// <summary>Runs a program to its end and returns what it wrote; anything but exit code 0 throws.</summary>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string? user = null, int keepLines = KeptLines)
    {
        using var process = await StartAsync(program, arguments, user: user, keepLines: keepLines);
        await process.WaitForExitAsync(TestRun.Cancel);
        return process._process.ExitCode == 0
            ? process.Output
            : throw new InvalidOperationException($"{program} ended with {process._process.ExitCode}:\n{process.Output}");
    }

    public void Signal(Signal signal)
    {
        if (!_process.HasExited)
        {
            _ = Kill(_process.Id, (int)signal);
        }
    }

    public Task WaitForExitAsync(CancellationToken cancellationToken) => _process.WaitForExitAsync(cancellationToken);

    public void Dispose()
    {
        Signal(Fixtures.Signal.Kill);
        _process.Dispose();
    }

    private static void Start(ProcessStartInfo start, int keepLines, TaskCompletionSource<ChildProcess> started)
    {
        try
        {
            var child = new ChildProcess(new Process { StartInfo = start }, keepLines);
            child._process.Start();
            child._process.BeginOutputReadLine();
            child._process.BeginErrorReadLine();
            started.SetResult(child);
        }
        catch (Exception failure)
        {
            started.SetException(failure);
        }
    }

    private static BlockingCollection<Action> StartOnOneThread()
    {
        var starts = new BlockingCollection<Action>();
        new Thread(() =>
        {
            // Runs as long as the process: ending with one test's token would kill every server.
            foreach (var start in starts.GetConsumingEnumerable(CancellationToken.None))
            {
                start();
            }
        })
        {
            IsBackground = true,
            Name = "child process starter",
        }.Start();
        return starts;
    }

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        _output.Enqueue(line);
        while (_output.Count > _keptLines)
        {
            _output.TryDequeue(out _);
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Kill(int processId, int signal);
}

/// <summary>Linux signal numbers.</summary>
internal enum Signal
{
    Interrupt = 2,
    Quit = 3,
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}
