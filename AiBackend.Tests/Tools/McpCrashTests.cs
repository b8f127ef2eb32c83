using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>Workers that die between the send of a call to an MCP server and its receipt. The server's own log says how often something was done.</summary>
public sealed class McpCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Jobs = 12;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task I_5_kills_between_send_and_receipt_repeat_no_effect_of_an_MCP_server_that_cannot_tell_repeats()
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var receiver = await McpReceiver.StartAsync();
        var tool = new ToolDefinition
        {
            Name = "write",
            Kind = ToolKinds.Mcp,
            Effect = ToolEffect.Write,
            TimeoutSeconds = 120,
            Url = receiver.Address.ToString(),
        };
        PinnedTool[] tools =
        [
            await Core.AddToolAsync(tool),
            await Core.AddToolAsync(tool with { Name = "idempotent", Effect = ToolEffect.WriteIdempotent }),
        ];
        var all = new Dictionary<Guid, string>();
        for (var i = 0; i < Jobs; i++)
        {
            var pinned = tools[i % 3 == 0 ? 1 : 0];
            all[await Core.SubmitAsync(ToolSetup.Draft(pinned) with { Model = model })] = pinned.Name;
        }

        receiver.HoldFor(Jobs);
        using (var dying = await StartAsync(model, receiver, ("AIBACKEND_FAULT", $"K14[{model}]:kill")))
        {
            await DeathAsync(dying);
        }

        var open = await OpenAsync(all.Keys, receiver);
        // Of leases that were over before the kill: the same worker has found what was sent, and asked a person.
        var asked = await AskedAsync(all.Keys);
        await Core.BuryAsync();
        receiver.HoldFor(0);
        using var worker = await StartAsync(model, receiver);
        await Eventually.TrueAsync(
            async _ =>
            {
                foreach (var (id, name) in all)
                {
                    if (await Core.StatusAsync(id) is not (JobStatus.Completed or JobStatus.WaitingForReview))
                    {
                        return false;
                    }
                }

                return true;
            },
            "the jobs end or wait for a person",
            Patience
        );

        // A machine that stops for seconds may take some leases before the kill: most calls stand between send and receipt, and that is enough.
        Assert.True(
            open.Count >= Jobs / 2,
            $"{open.Count} calls were caught, of {receiver.Calls.Count} sends: {await ToldAsync(all.Keys)}"
        );
        var sends = receiver.Calls.CountBy(call => call.Key).ToDictionary();
        foreach (var (id, name) in all)
        {
            var call = (await Core.ToolCallsAsync(id))[0];
            var times = sends.GetValueOrDefault(call.EffectId);
            if (name == "write")
            {
                Assert.Equal(1, times);
                Assert.Equal(
                    open.Contains(call.EffectId) || asked.Contains(id) ? JobStatus.WaitingForReview : JobStatus.Completed,
                    await Core.StatusAsync(id)
                );
            }
            else
            {
                Assert.InRange(times, open.Contains(call.EffectId) ? 2 : 1, 10);
                Assert.Equal(JobStatus.Completed, await Core.StatusAsync(id));
            }
        }

        // One effect for each job, under one name.
        Assert.Equal(all.Count, sends.Count);
    }

    /// <summary>Effect ids of calls that the server has and the ledger has no receipt of.</summary>
    private async Task<HashSet<string>> OpenAsync(IEnumerable<Guid> ids, McpReceiver receiver)
    {
        var sent = receiver.Calls.Select(call => call.Key).ToHashSet(StringComparer.Ordinal);
        var open = new HashSet<string>(StringComparer.Ordinal);
        foreach (var id in ids)
        {
            open.UnionWith(
                (await Core.ToolCallsAsync(id))
                    .Where(call => call.State == ToolCallState.Sent && sent.Contains(call.EffectId))
                    .Select(call => call.EffectId)
            );
        }

        return open;
    }

    private async Task<HashSet<Guid>> AskedAsync(IEnumerable<Guid> ids)
    {
        var asked = new HashSet<Guid>();
        foreach (var id in ids)
        {
            if ((await Core.ToolCallsAsync(id)).Any(call => call.State == ToolCallState.OutcomeUnknown))
            {
                asked.Add(id);
            }
        }

        return asked;
    }

    private async Task<string> ToldAsync(IEnumerable<Guid> ids)
    {
        var told = new List<string>();
        foreach (var id in ids)
        {
            told.AddRange((await Core.ToolCallsAsync(id)).Select(call => $"{call.Tool} {call.State} {call.Result}"));
        }

        return string.Join("; ", told);
    }

    private static async Task DeathAsync(WorkerProcess dying)
    {
        try
        {
            await dying.WaitForExitAsync().WaitAsync(Patience, TestRun.Cancel);
        }
        catch (TimeoutException)
        {
            dying.Signal(Signal.Kill);
            await dying.WaitForExitAsync();
        }

        Assert.True(dying.ExitCode is not 0 and not 134, $"{dying.ExitCode}: {dying.Output}");
    }

    private Task<WorkerProcess> StartAsync(string model, McpReceiver receiver, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [
                ("Worker__MaxConcurrentJobs", "32"),
                .. WorkerProcess.ShortLeases,
                ("Egress__Allow__0", receiver.Address.GetLeftPart(UriPartial.Authority)),
                .. settings,
            ]
        );
}
