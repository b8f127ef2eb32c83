using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>Starts programs with faults in them, and knows which were reached: a test whose fault never happened proves nothing.</summary>
internal sealed class FaultInjection(Stack stack) : IDisposable
{
    private const string Plan = "AIBACKEND_FAULT";
    private const string Evidence = "AIBACKEND_FAULT_EVIDENCE";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = TestFolder.Create("faults");

    private string EvidenceFile => Path.Combine(_folder, "evidence");

    /// <summary>Restarts a program so that it has the fault; the process after that one has none.</summary>
    public async Task ArmAsync(string program, string plan, int replica = 0)
    {
        stack.Processes.SetVariable(program, Plan, plan, replica);
        stack.Processes.SetVariable(program, Evidence, EvidenceFile, replica);
        await RestartAsync(program, replica);
        Disarm(program, replica);
    }

    /// <summary>Gives every process of a program the fault at each of its starts, until <see cref="Disarm"/>.</summary>
    public async Task ArmAllAsync(string program, string plan)
    {
        for (var replica = 0; replica < stack.Processes.Of(program).Count; replica++)
        {
            stack.Processes.SetVariable(program, Plan, plan, replica);
            stack.Processes.SetVariable(program, Evidence, EvidenceFile, replica);
            await RestartAsync(program, replica);
        }
    }

    /// <summary>Restarts every process of a program without the fault: one that still waits for its hit would die in somebody else's test.</summary>
    public async Task DisarmAllAsync(string program)
    {
        for (var replica = 0; replica < stack.Processes.Of(program).Count; replica++)
        {
            Disarm(program, replica);
            await RestartAsync(program, replica);
        }
    }

    public void Disarm(string program, int replica)
    {
        stack.Processes.SetVariable(program, Plan, null, replica);
        stack.Processes.SetVariable(program, Evidence, null, replica);
    }

    /// <summary>Waits until a process says that it is at the point; it says so just before the fault.</summary>
    public Task ReachedAsync(string point, int times = 1) =>
        Eventually.TrueAsync(() => Reached(point) >= times, $"{point} is reached {times} times", Patience);

    public int Reached(string point) =>
        File.Exists(EvidenceFile) ? File.ReadLines(EvidenceFile).Count(line => line.StartsWith(point + " ", StringComparison.Ordinal)) : 0;

    private async Task RestartAsync(string program, int replica)
    {
        // It may just be dead from the fault before.
        var killed = await Eventually.GetAsync(
            _ => Task.FromResult(stack.Processes.Kill(program, replica)),
            pid => pid > 0,
            $"{program} runs and can be killed",
            Patience
        );
        await stack.Processes.WaitForRestartAsync(program, killed, replica, TestRun.Cancel);
    }

    public void Dispose() => TestFolder.Remove(_folder);
}
