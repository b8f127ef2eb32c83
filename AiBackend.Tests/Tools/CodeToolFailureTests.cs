using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using AiBackend.Tests.Workflows;
using Npgsql;

namespace AiBackend.Tests.Tools;

/// <summary>Tools that the worker runs itself and that throw: an outcome like others, and nobody outside reads what they threw.</summary>
public sealed class CodeToolFailureTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Secret = "s3cret";
    private static readonly PinnedTool Pay = new("pay", 0);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_reads_has_failed_its_model_is_told_and_goes_on(bool isOfAFile)
    {
        var tool = new Till
        {
            Effect = ToolEffect.Read,
            Runs = (_, _) => throw (isOfAFile ? new FileNotFoundException(Secret) : new InvalidOperationException(Secret)),
        };
        await using var worker = await StartAsync(tool, new { tools = "first", words = 3 });
        var draft = ToolSetup.Draft(Pay);

        var job = await worker.RunJobAsync(draft);

        Assert.Equal("completed", job.Status);
        var call = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        Assert.Equal((ToolCallState.Failed, "The tool failed."), (call.State, call.Result));
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM job_attempts"));
    }

    [Fact]
    public async Task A_step_s_tool_that_throws_fails_the_step_in_its_tries_and_does_not_look_like_a_crash()
    {
        var tool = new Till { Effect = ToolEffect.Read, Runs = (_, _) => throw new InvalidOperationException(Secret) };
        await using var worker = await StartAsync(tool, new { words = 3 });

        var run = await worker.RunJobAsync(Step());

        Assert.Equal("failed", run.Status);
        Assert.Contains("The tool pay failed. The tool failed.", run.Error!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, run.Error.Message, StringComparison.Ordinal);
        Assert.Equal(
            1L,
            await worker.ScalarAsync<long>("SELECT count(*) FROM job_attempts WHERE job_id = (SELECT id FROM jobs WHERE type = 4)")
        );
    }

    [Fact]
    public async Task One_that_writes_leaves_open_what_it_did_as_its_verification_does_and_a_person_decides_while_its_neighbours_end_in_peace()
    {
        var verified = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var tool = new Till
        {
            Effect = ToolEffect.Write,
            Runs = async (caller, token) =>
            {
                if (!caller.EffectId!.EndsWith("-0", StringComparison.Ordinal))
                {
                    throw new InvalidOperationException(Secret);
                }

                // Under way for as long as the other needs to fail.
                await verified.Task.WaitAsync(token);
                return new("paid");
            },
            Verifies = () =>
            {
                verified.SetResult();
                throw new InvalidOperationException(Secret);
            },
        };
        var behaviour = new
        {
            tools = "first",
            words = 3,
            tool_copies = 2,
        };
        await using var worker = await StartAsync(tool, behaviour);
        var draft = ToolSetup.Draft(Pay);

        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "a person is asked");

        var calls = await worker.ToolCallsAsync(draft.Id);
        Assert.Equal([ToolCallState.Done, ToolCallState.OutcomeUnknown], calls.Select(call => call.State));
        Assert.Equal(["paid", null], calls.Select(call => call.Result));
        Assert.Equal(2, tool.Ran.Count);
        Assert.DoesNotContain(Secret, await worker.ScalarAsync<string>("SELECT question FROM job_waits"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task That_Postgres_was_away_is_not_the_tool_s_failure_and_uses_up_no_try()
    {
        var isAway = true;
        var tool = new Till
        {
            Effect = ToolEffect.Read,
            Runs = (_, _) => isAway ? throw new NpgsqlException("away", new SocketException()) : Task.FromResult(new CodeResult("a\0b")),
        };
        await using var worker = await StartAsync(tool, new { words = 3 });
        var run = Step();

        await worker.SubmitAsync(run);
        await worker.UntilAsync(
            async () =>
                await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE type = 4 AND status = 5 AND waiting_reason = 'storage'")
                == 1,
            "the step waits"
        );
        isAway = false;
        await worker.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE type = 4 AND status = 5", Guid.Empty);

        await worker.UntilAsync(async () => await worker.StatusAsync(run.Id) == JobStatus.Completed, "the run has its answer");
    }

    private static JobDraft Step() =>
        RunDraft.Of("""{"steps":[{"name":"p","type":"tool","tool":"pay","max_attempts":1,"arguments":{}}]}""", "{}", null, Pay);

    private async Task<CoreHost> StartAsync(Till tool, object behaviour)
    {
        var database = await postgres.CreateDatabaseAsync();
        return await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [(simulator.Address, await simulator.ModelAsync(behaviour))],
            [],
            builder => builder.Services.AddSingleton<ICodeTool>(tool)
        );
    }

    private sealed class Till : ICodeTool
    {
        public ConcurrentQueue<string> Ran { get; } = [];

        public required Func<CodeCaller, CancellationToken, Task<CodeResult>> Runs { get; init; }

        public Func<CodeResult?> Verifies { get; init; } = () => null;

        public string Name => "pay";

        public string Description => "Pays.";

        public JsonElement Parameters { get; } = JsonElement.Parse("""{"type":"object"}""");

        public required ToolEffect Effect { get; init; }

        // Far longer than one call waits here for another one.
        public TimeSpan Timeout => TimeSpan.FromMinutes(1);

        public bool NeedsApproval => false;

        public async ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken)
        {
            Ran.Enqueue(caller.EffectId!);
            return await Runs(caller, cancellationToken);
        }

        public ValueTask<CodeResult?> VerifyAsync(CodeCaller caller, CancellationToken cancellationToken) => new(Verifies());
    }
}
