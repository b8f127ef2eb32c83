using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

/// <summary>What a tool in code says of itself holds for it, and what is meant where it says nothing.</summary>
public sealed class CodeToolTermsTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Theory]
    [InlineData(ToolEffect.Write, true)]
    [InlineData(ToolEffect.WriteIdempotent, false)]
    [InlineData(ToolEffect.Read, false)]
    public void A_61_one_that_writes_needs_approval(ToolEffect effect, bool needed)
    {
        var definition = new CodeTools([new Silent(effect)]).Definition("quiet")!;

        Assert.Equal((needed, 5, 16_384), (definition.NeedsApproval, definition.TimeoutSeconds, definition.MaxResultBytes));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1500, 1)]
    [InlineData(121_000, 1)]
    [InlineData(1000, 0)]
    [InlineData(1000, 65_537)]
    public void One_that_wants_more_than_a_call_may_take_is_refused_at_the_start(int milliseconds, int bytes)
    {
        var tool = new Told { Timeout = TimeSpan.FromMilliseconds(milliseconds), MaxResultBytes = bytes };

        Assert.Throws<ArgumentException>(() => new CodeTools([tool]));
    }

    [Theory]
    [InlineData(ToolEffect.Read, false, JobStatus.Completed, ToolCallState.Failed)]
    [InlineData(ToolEffect.Read, true, JobStatus.Completed, ToolCallState.Failed)]
    [InlineData(ToolEffect.Write, false, JobStatus.WaitingForReview, ToolCallState.OutcomeUnknown)]
    public async Task One_that_never_ends_is_waited_for_no_longer_than_it_said(
        ToolEffect effect,
        bool keepsThread,
        JobStatus status,
        ToolCallState state
    )
    {
        using var never = new ManualResetEventSlim();
        var tool = new Told
        {
            Effect = effect,
            Timeout = TimeSpan.FromSeconds(1),
            Runs = () =>
            {
                if (!keepsThread)
                {
                    return new TaskCompletionSource<CodeResult>().Task;
                }

                never.Wait(TestRun.Cancel);
                return Task.FromResult(new CodeResult("late"));
            },
        };
        await using var worker = await StartAsync(tool);
        var draft = ToolSetup.Draft(new PinnedTool("told", 0));

        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == status, $"the job is {status}");

        Assert.Equal(state, Assert.Single(await worker.ToolCallsAsync(draft.Id)).State);
        never.Set();
    }

    [Fact]
    public async Task What_a_late_one_throws_troubles_nobody()
    {
        var (goOn, message) = (new TaskCompletionSource(), $"late {Guid.CreateVersion7()}");
        WeakReference? thrown = null;
        var unobserved = 0;
        void Count(object? sender, UnobservedTaskExceptionEventArgs args) =>
            unobserved += args.Exception.InnerExceptions.Any(each => each.Message == message) ? 1 : 0;
        var tool = new Told
        {
            Timeout = TimeSpan.FromSeconds(1),
            Runs = async () =>
            {
                await goOn.Task;
                var late = new InvalidOperationException(message);
                // Lives until whoever finalizes what holds it has had its say.
                thrown = new WeakReference(late, trackResurrection: true);
                throw late;
            },
        };
        await using var worker = await StartAsync(tool);
        TaskScheduler.UnobservedTaskException += Count;

        var job = await worker.RunJobAsync(ToolSetup.Draft(new PinnedTool("told", 0)));
        goOn.SetResult();
        await Eventually.TrueAsync(
            _ =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return Task.FromResult(thrown is { IsAlive: false });
            },
            "what the tool has thrown is gone",
            TimeSpan.FromSeconds(30)
        );
        TaskScheduler.UnobservedTaskException -= Count;

        Assert.Equal(("completed", 0), (job.Status, unobserved));
    }

    [Fact]
    public async Task A_result_is_cut_to_what_it_said()
    {
        await using var worker = await StartAsync(
            new Told { MaxResultBytes = 4, Runs = () => Task.FromResult(new CodeResult("abcdefgh")) }
        );
        var draft = ToolSetup.Draft(new PinnedTool("told", 0));

        await worker.RunJobAsync(draft);

        Assert.Equal("abcd", Assert.Single(await worker.ToolCallsAsync(draft.Id)).Result);
    }

    private async Task<CoreHost> StartAsync(Told tool)
    {
        var database = await postgres.CreateDatabaseAsync();
        return await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [(simulator.Address, await simulator.ModelAsync(new { tools = "first", words = 3 }))],
            [],
            builder => builder.Services.AddSingleton<ICodeTool>(tool)
        );
    }

    /// <summary>Says what has to be said, and nothing else.</summary>
    private sealed class Silent(ToolEffect effect) : ICodeTool
    {
        public string Name => "quiet";

        public string Description => "Says nothing.";

        public JsonElement Parameters { get; } = JsonElement.Parse("""{"type":"object"}""");

        public ToolEffect Effect => effect;

        public ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken) =>
            new(new CodeResult("nothing"));
    }

    /// <summary>Does what a test says, and looks at no token.</summary>
    private sealed class Told : ICodeTool
    {
        public Func<Task<CodeResult>> Runs { get; init; } = () => Task.FromResult(new CodeResult("done"));

        public string Name => "told";

        public string Description => "Does what it was told.";

        public JsonElement Parameters { get; } = JsonElement.Parse("""{"type":"object"}""");

        public ToolEffect Effect { get; init; } = ToolEffect.Read;

        public bool NeedsApproval => false;

        public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

        public int MaxResultBytes { get; init; } = 1024;

        public async ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken) =>
            await Runs();
    }
}
