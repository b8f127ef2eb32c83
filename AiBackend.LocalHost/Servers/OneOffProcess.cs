using System.Text;
using AiBackend.LocalHost.Supervision;

namespace AiBackend.LocalHost.Servers;

internal sealed record OneOffResult(int ExitCode, string Output);

/// <summary>A tool that is run to its end; listed in the ledger like every other child, because a host can be killed meanwhile.</summary>
internal static class OneOffProcess
{
    public static async Task<OneOffResult> RunAsync(ProcessSpec spec, string name, ChildLedger ledger, CancellationToken cancellationToken)
    {
        var output = new StringBuilder();
        var outputLock = new Lock();
        using var process = ManagedProcess.Start(spec, name, ledger, Append);
        try
        {
            var exitCode = await process.Exited.WaitAsync(cancellationToken);
            lock (outputLock)
            {
                return new(exitCode, output.ToString());
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            process.Send(Signal.Kill);
            await process.Exited;
            throw;
        }

        void Append(string line)
        {
            lock (outputLock)
            {
                output.AppendLine(line);
            }
        }
    }
}
