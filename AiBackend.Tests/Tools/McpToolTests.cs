using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Peers;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>Jobs whose model calls tools of MCP servers: the protocol's own reference server, over HTTP and as a program.</summary>
public sealed class McpToolTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Package = "@modelcontextprotocol/server-everything";
    private const string Server = "everything";
    private const string Setting = $"Tools:McpServers:{Server}:";
    private const string LongRunning = "trigger-long-running-operation";
    private const string SumArguments = """{"a":2,"b":3}""";

    [Fact]
    public async Task A_tool_of_a_server_on_the_network_is_called_and_the_model_has_what_it_said()
    {
        using var peer = await NodePeer.StartAsync("mcp-everything.mjs", Package);
        var address = await NodePeer.ListeningAsync(peer);
        await using var worker = await StartAsync(SumArguments, Allowed(address));

        var call = await CallAsync(worker, At(address, "get-sum"));

        Assert.Equal((ToolCallState.Done, "The sum of 2 and 3 is 5."), (call.State, call.Result));
    }

    [Fact]
    public async Task A_tool_of_an_operators_program_is_called_and_the_program_knows_nothing_of_the_workers_environment()
    {
        const string Secret = "AIBACKEND_TEST_MCP_SECRET";
        Environment.SetEnvironmentVariable(Secret, "canary-of-the-worker");
        await using var worker = await StartAsync("{}", [.. Program("*"), ($"{Setting}Environment:GIVEN", "to-the-program")]);

        var call = await CallAsync(worker, Of("get-env"));

        Assert.Equal(ToolCallState.Done, call.State);
        Assert.Contains("to-the-program", call.Result, StringComparison.Ordinal);
        Assert.DoesNotContain("canary-of-the-worker", call.Result, StringComparison.Ordinal);
        Environment.SetEnvironmentVariable(Secret, null);
    }

    [Fact]
    public async Task A_program_is_for_the_tenants_that_it_names()
    {
        // One after the other: they share a Redis, and each would be woken for jobs of the other's database.
        await using (var worker = await StartAsync(SumArguments, Program(Guid.CreateVersion7().ToString())))
        {
            var refused = await CallAsync(worker, Of("get-sum"));
            Assert.Equal(ToolCallState.Failed, refused.State);
            Assert.Contains("not there any more", refused.Result, StringComparison.Ordinal);
        }

        await using var allowed = await StartAsync(SumArguments, Program(ApiKeyStore.DefaultTenant.ToString()));
        Assert.Equal(ToolCallState.Done, (await CallAsync(allowed, Of("get-sum"))).State);
    }

    [Fact]
    public async Task What_a_server_refuses_is_told_to_the_model()
    {
        await using var worker = await StartAsync(SumArguments, Program("*"));

        var call = await CallAsync(worker, Of("no-such-tool"));

        Assert.Equal(ToolCallState.Failed, call.State);
        Assert.Contains("no-such-tool", call.Result, StringComparison.Ordinal);
    }

    // At the same time: both wait for the tool's time to be up.
    [Fact]
    public async Task Of_a_call_that_takes_too_long_nobody_knows_what_it_did()
    {
        // One that is there already: the time that a program takes to start is the call's, and a session that never began has done nothing.
        using var peer = await NodePeer.StartAsync("mcp-everything.mjs", Package);
        var address = await NodePeer.ListeningAsync(peer);
        await Task.WhenAll(
            CallTooLongAsync(Of(LongRunning), Program("*"), "completed", ToolCallState.Failed),
            CallTooLongAsync(
                At(address, LongRunning) with
                {
                    Effect = ToolEffect.Write,
                },
                Allowed(address),
                "waiting_for_review",
                ToolCallState.OutcomeUnknown
            )
        );
    }

    private async Task CallTooLongAsync(ToolDefinition tool, (string, string)[] settings, string status, ToolCallState state)
    {
        // Of its own: workers of two databases would take each other's jobs out of one queue.
        await using var own = await RedisServer.StartNewAsync();
        await using var worker = await StartAsync("""{"duration":60,"steps":2}""", settings, own);
        var draft = ToolSetup.Draft(await worker.AddToolAsync(tool with { TimeoutSeconds = 5 }));

        await worker.SubmitAsync(draft);

        await Eventually.TrueAsync(
            async token => (await worker.Reads.FindAsync(draft.Id, token))!.Status == status,
            $"the job is {status}",
            TimeSpan.FromSeconds(60)
        );
        Assert.Equal(state, Assert.Single(await worker.ToolCallsAsync(draft.Id)).State);
    }

    [Fact]
    public async Task A_30_an_address_that_requests_must_not_go_to_gets_none()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(SumArguments, []);

        var call = await CallAsync(worker, At(new Uri(receiver.Url), "get-sum"));

        Assert.Equal(ToolCallState.Failed, call.State);
        Assert.Empty(receiver.Calls);
    }

    [Fact]
    public async Task A_server_that_answers_without_end_is_not_read_to_it()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (System.Net.HttpStatusCode.OK, new string(' ', 2 * 1024 * 1024));
        await using var worker = await StartAsync(SumArguments, [receiver.Allowed]);

        var call = await CallAsync(worker, At(new Uri(receiver.Url), "get-sum"));

        Assert.Equal((ToolCallState.Failed, "The tool's server could not be called."), (call.State, call.Result));
    }

    [Theory]
    [InlineData(ToolEffect.Read, ToolCallState.Failed)]
    [InlineData(ToolEffect.Write, ToolCallState.Failed)]
    public async Task A_server_that_begins_an_answer_and_stops_holds_nobody_up(ToolEffect effect, ToolCallState state)
    {
        await using var stalled = await StalledServer.StartAsync();
        await using var worker = await StartAsync(SumArguments, Allowed(stalled.Address));

        // It never was more than the begin of a session: nothing was called.
        var call = await CallAsync(worker, At(stalled.Address, "get-sum") with { Effect = effect, TimeoutSeconds = 2 });

        Assert.Equal(state, call.State);
    }

    [Fact]
    public async Task Arguments_that_say_one_thing_twice_say_the_last()
    {
        await using var worker = await StartAsync("""{"a":1,"a":2,"b":3}""", Program("*"));

        var call = await CallAsync(worker, Of("get-sum"));

        Assert.Equal((ToolCallState.Done, "The sum of 2 and 3 is 5."), (call.State, call.Result));
    }

    private static ToolDefinition At(Uri address, string remote) => Of(remote) with { Server = null, Url = address.ToString() };

    private static ToolDefinition Of(string remote) =>
        new()
        {
            Name = "remote",
            Kind = ToolKinds.Mcp,
            Description = "A tool of another program.",
            Effect = ToolEffect.Read,
            TimeoutSeconds = 60,
            Server = Server,
            RemoteName = remote,
        };

    private static (string, string)[] Allowed(Uri address) => [("Egress:Allow:0", address.GetLeftPart(UriPartial.Authority))];

    private static (string, string)[] Program(string tenant) =>
        [
            ($"{Setting}Command", NodePeer.Node()),
            ($"{Setting}Arguments:0", Path.Combine(NodePeer.PackageFolder(Package), "dist", "index.js")),
            ($"{Setting}Arguments:1", "stdio"),
            ($"{Setting}Tenants:0", tenant),
        ];

    private static async Task<ToolCall> CallAsync(CoreHost worker, ToolDefinition tool)
    {
        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(tool)));
        Assert.Equal("completed", job.Status);
        return Assert.Single(await worker.ToolCallsAsync(job.Id));
    }

    private async Task<CoreHost> StartAsync(string arguments, (string, string)[] settings, RedisServer? own = null)
    {
        var model = await simulator.ModelAsync(
            new
            {
                tools = "first",
                words = 3,
                tool_arguments = arguments,
            }
        );
        return await WorkerUnderTest.StartAsync(await postgres.CreateDatabaseAsync(), own ?? redis, [(simulator.Address, model)], settings);
    }
}
