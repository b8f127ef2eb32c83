using System.Collections.Concurrent;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Code;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Contracts;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Steps whose tools are called in the look of their run, and what becomes of those that give nothing at once.</summary>
public sealed class InlineStepTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Shape = """{"schema":{"type":"object","required":["seen"]}}""";

    private const string Peeks =
        """{"steps":[{"name":"look","type":"tool","tool":"peek","inline":true,"arguments":{"at":"{{input.at}}"},"contract":"""
        + Shape
        + """},{"name":"out","type":"transform","value":"{{steps.look.seen}}"}]}""";

    private static readonly PinnedTool Pinned = new("peek", 0);

    [Fact]
    public async Task What_is_there_at_once_is_the_step_s_value_and_no_job_has_called_for_it()
    {
        var peek = new Peek();
        await using var worker = await StartAsync(peek);

        var run = await worker.RunJobAsync(RunDraft.Of(Peeks, """{"at":"the pump"}""", null, Pinned) with { EndUser = "bob" });

        Assert.True(run.Status == "completed", run.Error?.Message);
        Assert.Equal("the pump", run.Output!.Text);
        var look = Assert.Single(await StepsAsync(worker, run.Id), step => step.Name == "look");
        Assert.Equal((RunStepStatuses.Succeeded, null, Verdicts.Valid), (look.Status, look.JobId, look.Contract!.Verdict));
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
        // On behalf of whoever the run is for, as its jobs' calls are.
        var caller = Assert.Single(peek.Callers);
        Assert.Equal((ApiKeyStore.DefaultTenant, "bob"), (caller.TenantId, Assert.Single(caller.Readers!)));
        // The look's time, which is more here than what the tool has in a job.
        Assert.Equal(TimeSpan.FromSeconds(30), caller.Time);
    }

    [Theory]
    [InlineData("throws")]
    [InlineData("fails")]
    [InlineData("hangs")]
    [InlineData("breaks the contract")]
    public async Task What_gives_nothing_at_once_is_called_by_a_job_with_the_tries_of_its_step(string first)
    {
        var peek = new Peek { First = first };
        await using var worker = await StartAsync(peek, ("Worker:InlineSeconds", first == "hangs" ? "2" : "30"));

        var run = await worker.RunJobAsync(RunDraft.Of(Peeks, """{"at":"the pump"}""", null, Pinned));

        Assert.True(run.Status == "completed", run.Error?.Message);
        Assert.Equal("the pump", run.Output!.Text);
        var look = Assert.Single(await StepsAsync(worker, run.Id), step => step.Name == "look");
        var call = Assert.Single(await worker.ToolCallsAsync(look.JobId!.Value));
        // Where the machine stops for as long as the look has, its call is not begun.
        string[] looked = first == "hangs" && peek.Callers.Count == 1 ? [] : [$"{run.Id:N}-look"];
        Assert.Equal([.. looked, call.EffectId], peek.Callers.Select(caller => caller.EffectId));
    }

    [Fact]
    public async Task Where_it_fails_in_its_job_too_the_step_fails_as_any_other()
    {
        await using var worker = await StartAsync(new Peek { First = "fails", Then = "fails" });
        const string Once = "\"inline\":true,\"max_attempts\":1";

        var run = await worker.RunJobAsync(
            RunDraft.Of(Peeks.Replace("\"inline\":true", Once, StringComparison.Ordinal), """{"at":"x"}""", null, Pinned)
        );

        Assert.Equal("failed", run.Status);
        Assert.Contains("Step look failed: The tool peek failed. Nothing to see.", run.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_look_whose_tools_are_slow_leaves_the_others_to_jobs()
    {
        const int Steps = 20;
        const int AtOnce = 8;
        var peek = new Peek { First = "hangs" };
        await using var worker = await StartAsync(peek, ("Worker:InlineSeconds", "1"));
        var steps = string.Join(
            ',',
            Enumerable
                .Range(0, Steps)
                .Select(n => $$"""{"name":"s{{n}}","type":"tool","tool":"peek","inline":true,"arguments":{"at":"x"} }""")
        );

        var run = await worker.RunJobAsync(RunDraft.Of($$"""{"steps":[{{steps}}]}""", "{}", null, Pinned));

        Assert.True(run.Status == "completed", run.Error?.Message);
        // How many get their turn in time is the machine's to say. A call's time may be up a moment before the look's: then a second lot begins, and no third.
        Assert.InRange(peek.Callers.Count(caller => caller.EffectId!.StartsWith($"{run.Id:N}", StringComparison.Ordinal)), 0, 2 * AtOnce);
        Assert.All(await StepsAsync(worker, run.Id), step => Assert.NotNull(step.JobId));
    }

    [Theory]
    // Somebody's own tool of this name, from before there was one in the worker; arguments that do not fit. Its job says what is wrong.
    [InlineData(1, """{"at":"x"}""")]
    [InlineData(0, """{"at":1}""")]
    public async Task What_may_not_be_called_inline_is_not(int version, string input)
    {
        var peek = new Peek();
        await using var worker = await StartAsync(peek);

        var run = await worker.RunJobAsync(RunDraft.Of(Peeks, input, null, Pinned with { Version = version }));

        Assert.Equal("failed", run.Status);
        Assert.NotNull(Assert.Single(await StepsAsync(worker, run.Id)).JobId);
        Assert.Empty(peek.Callers);
    }

    [Theory]
    [InlineData(ToolEffect.Read, false, true)]
    [InlineData(ToolEffect.Read, true, false)]
    [InlineData(ToolEffect.Write, false, false)]
    [InlineData(ToolEffect.WriteIdempotent, false, false)]
    public void Only_tools_that_read_and_ask_nobody_are_taken_by_the_definition(ToolEffect effect, bool needsApproval, bool isTaken)
    {
        var bounds = new WorkflowBounds(Contract.Checker, new CodeTools([new Peek { Effect = effect, NeedsApproval = needsApproval }]));
        var faults = new List<string>();

        bounds.Check(Definition(Peeks), (place, fault) => faults.Add($"{place} {fault}"));

        if (isTaken)
        {
            Assert.Empty(faults);
        }
        else
        {
            Assert.Contains("steps[0].inline is for tools that come with the worker, only read", Assert.Single(faults));
        }
    }

    [Fact]
    public void A_plan_asks_for_a_call_when_all_it_needs_is_there_and_never_again()
    {
        const string Second =
            """{"steps":[{"name":"a","type":"transform","value":"x"},{"name":"b","type":"tool","tool":"peek","inline":true,"arguments":{"at":"{{steps.a}}"}},{"name":"c","type":"tool","tool":"peek","inline":true,"when":{"value":"{{steps.b}}","equal":"no"}}]}""";

        var first = Plan(Second, []);
        var asked = Assert.Single(first.Inline);
        var gave = new StepState("b", null, StepStatus.Running) { Type = StepTypes.Tool }.Gave(JsonElement.Parse("\"yes\""));
        var second = Plan(Second, [.. first.All, gave]);

        Assert.Equal(("b", false), (asked.Step.Name, first.IsOver));
        Assert.Equal("""{"at":"x"}""", ToolStepInput.Read(asked.Input.Json).Arguments.GetRawText());
        Assert.Equal((0, true), (second.Inline.Count, second.IsOver));
        Assert.Equal(StepStatus.Skipped, Assert.Single(second.Begun).Status);
    }

    private static NextSteps Plan(string definition, IEnumerable<StepState> states) =>
        WorkflowPlan.Next(
            Definition(definition),
            null,
            states,
            new Dictionary<string, JsonElement>(StringComparer.Ordinal),
            DateTimeOffset.UnixEpoch,
            Guid.CreateVersion7,
            Contract.Checker
        );

    private static WorkflowDefinition Definition(string json) => JsonSerializer.Deserialize(json, WireJson.Default.WorkflowDefinition)!;

    private static Task<List<RunStepState>> StepsAsync(CoreHost worker, Guid run) =>
        worker.Get<RunStepStore>().ShowAsync(ApiKeyStore.DefaultTenant, run, null, 100, TestRun.Cancel);

    private async Task<CoreHost> StartAsync(Peek peek, params (string, string)[] settings)
    {
        var database = await postgres.CreateDatabaseAsync();
        return await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            // Which nobody asks: no step has a model.
            [(new Uri("http://127.0.0.1:9"), "m")],
            settings.Length == 0 ? [("Worker:InlineSeconds", "30")] : settings,
            builder => builder.Services.AddSingleton<ICodeTool>(peek)
        );
    }

    /// <summary>Gives what it is asked about, unless it is told to behave otherwise the first time that an effect is asked of it, or ever after.</summary>
    private sealed class Peek : ICodeTool
    {
        public ConcurrentQueue<CodeCaller> Callers { get; } = [];

        /// <summary>What it does in the look of a run.</summary>
        public string? First { get; init; }

        /// <summary>What it does in a job.</summary>
        public string? Then { get; init; }

        public string Name => "peek";

        public string Description => "Looks.";

        public JsonElement Parameters { get; } =
            JsonElement.Parse("""{"type":"object","required":["at"],"properties":{"at":{"type":"string"}}}""");

        public ToolEffect Effect { get; init; } = ToolEffect.Read;

        public bool NeedsApproval { get; init; }

        public async ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken)
        {
            Callers.Enqueue(caller);
            var isOfJob = caller.EffectId!.EndsWith("-0", StringComparison.Ordinal);
            switch (isOfJob ? Then : First)
            {
                case "throws":
                    throw new InvalidOperationException("It broke.");
                case "fails":
                    return new("Nothing to see.", IsError: true);
                case "hangs":
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
                    break;
                case "breaks the contract":
                    return new("""{"unseen":1}""");
            }

            return new($$"""{"seen":{{arguments.GetProperty("at").GetRawText()}}}""");
        }
    }
}
