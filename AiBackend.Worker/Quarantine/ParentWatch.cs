using System.Runtime.InteropServices;

namespace AiBackend.Worker.Quarantine;

/// <summary>Ends this process when the one that started it is gone, which its standard input tells even after <c>kill -9</c>.</summary>
internal sealed class ParentWatch(IHostApplicationLifetime lifetime, ILogger<ParentWatch> logger) : IHostedService
{
    private const int HadToBeEnded = 3;

    /// <summary>For giving the job back. A job that never lets go must not keep this process.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Makes this process the leader of a session: what kills the parent's whole group must not kill the job, which would look
    /// as if the job had done it. And when memory runs out, the kernel is to take this process, not its neighbours.
    /// </summary>
    public static void StandApart()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        _ = SetSession();
        try
        {
            File.WriteAllText("/proc/self/oom_score_adj", "1000");
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // A hardened container; the kernel then decides as it would have.
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        new Thread(Watch) { IsBackground = true, Name = "parent watch" }.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Watch()
    {
        using var input = Console.OpenStandardInput();
        var buffer = new byte[64];
        while (input.Read(buffer) > 0)
        {
            // Nothing is ever said; only the end counts.
        }

        logger.ParentGone();
        lifetime.StopApplication();
        lifetime.ApplicationStopped.WaitHandle.WaitOne(Patience);
        Environment.Exit(HadToBeEnded);
    }

    [DllImport("libc", EntryPoint = "setsid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetSession();
}
