using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>A worker that is killed while programs that it talks with over MCP are doing what it asked. What they wrote down themselves says how often.</summary>
public sealed class McpProgramCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Server = "receiver";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task I_5_of_programs_over_standard_input_the_idempotent_one_is_called_again_by_its_name_and_a_person_decides_about_the_other()
    {
        var folder = TestFolder.Create("mcp");
        var (log, hold) = (Path.Combine(folder, "calls"), Path.Combine(folder, "hold"));
        await File.WriteAllTextAsync(hold, "", TestRun.Cancel);
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        var (write, idempotent) = (await SubmitAsync(model, ToolEffect.Write), await SubmitAsync(model, ToolEffect.WriteIdempotent));

        using (var dying = await StartAsync(model, folder))
        {
            await Eventually.TrueAsync(async _ => (await LinesAsync(log)).Length == 2, "both programs are at it", Patience);
            dying.Signal(Signal.Kill);
            await dying.WaitForExitAsync();
        }

        var open = (Write: await CallOfAsync(write), Idempotent: await CallOfAsync(idempotent));
        Assert.Equal((ToolCallState.Sent, ToolCallState.Sent), (open.Write.State, open.Idempotent.State));
        File.Delete(hold);
        using var worker = await StartAsync(model, folder);
        await UntilAsync(idempotent, JobStatus.Completed);
        await UntilAsync(write, JobStatus.WaitingForReview);

        var calls = (await LinesAsync(log)).CountBy(line => line).ToDictionary();
        Assert.Equal(2, calls.Count);
        Assert.Equal(1, calls[$"{open.Write.EffectId} {ToolEffect.Write}"]);
        Assert.Equal(2, calls[$"{open.Idempotent.EffectId} {ToolEffect.WriteIdempotent}"]);
        Assert.Equal(ToolCallState.OutcomeUnknown, (await CallOfAsync(write)).State);
        var settled = await CallOfAsync(idempotent);
        Assert.Equal((ToolCallState.Done, "done", open.Idempotent.EffectId), (settled.State, settled.Result, settled.EffectId));
        TestFolder.Remove(folder);
    }

    private static async Task<string[]> LinesAsync(string file) =>
        File.Exists(file) ? await File.ReadAllLinesAsync(file, TestRun.Cancel) : [];

    private async Task<Guid> SubmitAsync(string model, ToolEffect effect)
    {
        var tool = await Core.AddToolAsync(
            new ToolDefinition
            {
                Name = $"do_{effect}",
                Kind = ToolKinds.Mcp,
                Effect = effect,
                TimeoutSeconds = 120,
                Server = Server,
                RemoteName = effect.ToString(),
            }
        );
        return await Core.SubmitAsync(ToolSetup.Draft(tool) with { Model = model });
    }

    private async Task<ToolCall> CallOfAsync(Guid job) => Assert.Single(await Core.ToolCallsAsync(job));

    private Task UntilAsync(Guid job, JobStatus status) =>
        Eventually.TrueAsync(async _ => await Core.StatusAsync(job) == status, $"job {job} is {status}", Patience);

    private Task<WorkerProcess> StartAsync(string model, string folder)
    {
        const string Setting = $"Tools__McpServers__{Server}__";
        return WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [
                .. WorkerProcess.ShortLeases,
                ($"{Setting}Command", NodePeer.Node()),
                ($"{Setting}Arguments__0", Repository.Full("AiBackend.Tests/Peers/mcp-receiver.mjs")),
                ($"{Setting}Environment__RECEIVER_FOLDER", folder),
                ($"{Setting}Tenants__0", "*"),
            ]
        );
    }
}
