using System.Diagnostics;

namespace AiBackend.Bench.Stack;

/// <summary>Memory and CPU of some processes.</summary>
/// <param name="ResidentMegabytes">Resident set, in MiB.</param>
/// <param name="Cpu">Processor time since they started.</param>
internal sealed record ProcessUsage(double ResidentMegabytes, TimeSpan Cpu)
{
    public static ProcessUsage Of(IEnumerable<int> processIds)
    {
        var (resident, cpu) = (0d, TimeSpan.Zero);
        foreach (var id in processIds)
        {
            using var process = Process.GetProcessById(id);
            resident += process.WorkingSet64 / (1024d * 1024d);
            cpu += process.TotalProcessorTime;
        }

        return new ProcessUsage(resident, cpu);
    }
}
