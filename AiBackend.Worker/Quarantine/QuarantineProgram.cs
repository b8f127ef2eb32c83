using System.Diagnostics;

namespace AiBackend.Worker.Quarantine;

/// <summary>How this process starts a copy of itself that runs suspects.</summary>
/// <param name="Arguments">Those of this process: settings that were made there hold for the copy too.</param>
internal sealed record QuarantineProgram(IReadOnlyList<string> Arguments)
{
    /// <summary>First argument of a quarantine process.</summary>
    public const string Command = "quarantine";

    /// <summary>Tells the process who it is, so that its parent knows whose leases to release when it dies.</summary>
    public const string WorkerId = "worker-id";

    private const string ServiceName = "OTEL_SERVICE_NAME";

    public ProcessStartInfo Describe(Guid workerId)
    {
        var program = Environment.ProcessPath ?? throw new InvalidOperationException("The system does not say which program this is.");
        // Started as "dotnet AiBackend.Worker.dll", the program is dotnet and the first argument the assembly.
        string[] assembly = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        var start = new ProcessStartInfo(program, [.. assembly, Command, .. Arguments, $"--{WorkerId}={workerId}"])
        {
            UseShellExecute = false,
            // Its end tells the process that this one is gone. Output goes where ours goes.
            RedirectStandardInput = true,
        };
        // In telemetry it is a service of its own: what it measures must not be taken for ours.
        start.Environment[ServiceName] = (start.Environment.TryGetValue(ServiceName, out var own) ? own : "worker") + "-" + Command;
        return start;
    }
}
