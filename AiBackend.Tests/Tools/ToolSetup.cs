using System.Text.Json;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>Tools and jobs that use them, as the Api would have stored them.</summary>
internal static class ToolSetup
{
    public const string Name = "send";

    private static readonly JsonElement Parameters = JsonElement.Parse(
        """{"type":"object","properties":{"to":{"type":"string"},"amount":{"type":"number","minimum":1}},"required":["to","amount"]}"""
    );

    public static ToolDefinition Http(string url, ToolEffect effect) =>
        new()
        {
            Name = Name,
            Kind = ToolKinds.Http,
            Description = "Sends something.",
            Parameters = Parameters,
            Effect = effect,
            TimeoutSeconds = 15,
            Url = url,
        };

    public static ToolDefinition Client(int timeoutSeconds = 60) =>
        new()
        {
            Name = Name,
            Kind = ToolKinds.Client,
            Parameters = Parameters,
            Effect = ToolEffect.ExternalWait,
            TimeoutSeconds = timeoutSeconds,
        };

    /// <summary>A worker that may call the receiver, and whose model says two words.</summary>
    public static async Task<CoreHost> StartWorkerAsync(
        this ToolReceiver receiver,
        PostgresServer postgres,
        RedisServer redis,
        SimulatorServer simulator
    ) =>
        await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            redis,
            [(simulator.Address, await simulator.ModelAsync(new { words = 2 }))],
            [receiver.Allowed]
        );

    public static async Task<PinnedTool> AddToolAsync(this CoreHost core, ToolDefinition tool, Guid? tenant = null, byte[]? secret = null)
    {
        var added = await new ToolStore(core.Database).AddAsync(
            tenant ?? ApiKeyStore.DefaultTenant,
            tool.Name,
            tool,
            secret,
            keepsSecret: false,
            expected: null,
            "k",
            TestRun.Cancel
        );
        return new PinnedTool(added!.Name, added.Version);
    }

    public static JobDraft Draft(params PinnedTool[] tools) => Draft(new ToolTerms(tools));

    public static JobDraft Draft(ToolTerms terms)
    {
        var names = string.Join(',', terms.Pinned.Select(tool => $"\"{tool.Name}\""));
        return CoreHost.Draft(input: $$"""{"messages":[{"role":"user","content":"Hello"}],"tools":[{{names}}]}""") with
        {
            Terms = new JobTerms { Tools = terms }.ToColumn(),
            InputVersion = JobSchema.Terms,
        };
    }

    public static Task<IReadOnlyList<ToolCall>> ToolCallsAsync(this CoreHost core, Guid jobId) =>
        new ToolCallReads(core.Database).ListAsync(ApiKeyStore.DefaultTenant, jobId, TestRun.Cancel);
}
