using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary><c>idle</c>: memory and CPU of every process of the product with nothing to do.</summary>
internal static class IdleScenario
{
    // Until the runtime has recompiled what a start has made hot: afterwards it is idle.
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(60);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(
            options,
            new StackSettings(Workers: 2, Slots: 256, WithWeb: true),
            cancellationToken
        );
        string[] programs = ["api", "worker", "web", "simulator"];
        await Task.Delay(Settle, TimeProvider.System, cancellationToken);
        var before = programs.ToDictionary(name => name, stack.UsageOf, StringComparer.Ordinal);
        await Task.Delay(options.Duration, TimeProvider.System, cancellationToken);
        var after = programs.ToDictionary(name => name, stack.UsageOf, StringComparer.Ordinal);
        double Cpu(string name) => (after[name].Cpu - before[name].Cpu) / options.Duration * 100;
        return
        [
            .. programs.Select(name => new Measurement("aibackend", $"{name} memory", "MiB", after[name].ResidentMegabytes)),
            .. programs.Select(name => new Measurement("aibackend", $"{name} CPU", "% of a core", Cpu(name))),
            new("aibackend", "memory in all", "MiB", after.Values.Sum(usage => usage.ResidentMegabytes)),
            new("aibackend", "CPU in all", "% of a core", programs.Sum(Cpu)),
        ];
    }
}
