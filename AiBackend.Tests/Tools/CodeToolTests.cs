using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Providers.Telemetry;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Knowledge;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using AiBackend.Tests.Workflows;

namespace AiBackend.Tests.Tools;

/// <summary>Tools that the worker runs itself: with whose rights, and what becomes of those that do something.</summary>
public sealed class CodeToolTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly PinnedTool Pay = new("pay", 0);

    [Theory]
    [InlineData("bob", "for all, for bob")]
    [InlineData("eve", "for all, for eve")]
    [InlineData(null, "for all")]
    public async Task A_run_s_search_finds_what_its_user_may_read_and_nothing_else(string? user, string found)
    {
        await using var worker = await StartAsync(new Payment(), new { words = 2 });
        await AddPassagesAsync(worker);
        var run = RunDraft.Of(
            """
            {"steps":[{"name":"find","type":"map","over":"{{input}}","step":{"type":"tool","tool":"search_knowledge",
                       "arguments":{"collection":"manuals","query":"{{item}}"}}}],"output":"{{steps.find.0}}"}
            """,
            """["pump"]""",
            null,
            new PinnedTool("search_knowledge", 0)
        ) with
        {
            EndUser = user,
        };

        var done = await worker.RunJobAsync(run);

        Assert.True(done.Status == "completed", done.Error?.Message);
        Assert.Equal(
            found,
            string.Join(
                ", ",
                JsonElement
                    .Parse(done.Output!.Text)
                    .EnumerateArray()
                    .Select(passage => passage.GetProperty("source").GetString()!)
                    .Order(StringComparer.Ordinal)
            )
        );
    }

    [Fact]
    public async Task A_model_s_search_reads_as_its_job_s_own_search_does_and_the_model_cannot_name_anybody()
    {
        var behaviour = new
        {
            tools = "first",
            words = 3,
            tool_arguments = """{"collection":"manuals","query":"pump"}""",
        };
        await using var worker = await StartAsync(new Payment(), behaviour);
        await AddPassagesAsync(worker);
        using var measured = new Measurements(worker.Get<IMeterFactory>(), JobTelemetryNames.Source);
        var draft = ToolSetup.Draft(new PinnedTool("search_knowledge", 0));
        var asBob = draft with
        {
            Terms = (
                JobTerms.Read(draft.Terms) with
                {
                    Retrieve = new KnowledgeQuery { Collection = "empty", Readers = ["bob"] },
                }
            ).ToColumn(),
        };

        await worker.RunJobAsync(asBob);
        var found = Assert.Single(await worker.ToolCallsAsync(asBob.Id)).Result;
        await simulator.BehaveAsync(
            await ModelOfAsync(worker),
            behaviour with
            {
                tool_arguments = """{"collection":"manuals","query":"pump","readers":["bob"]}""",
            }
        );
        var asNobody = ToolSetup.Draft(new PinnedTool("search_knowledge", 0));
        await worker.RunJobAsync(asNobody);
        var refused = Assert.Single(await worker.ToolCallsAsync(asNobody.Id));

        Assert.Contains("for bob", found, StringComparison.Ordinal);
        Assert.DoesNotContain("for eve", found, StringComparison.Ordinal);
        Assert.Equal(ToolCallState.Failed, refused.State);
        Assert.DoesNotContain("The pump", refused.Result, StringComparison.Ordinal);
        Assert.Equal(ToolRefusals.Arguments, Assert.Single(measured.Of("aibackend.tool.refused")).Tags["reason"]);
    }

    [Fact]
    public async Task A_call_that_was_written_down_and_whose_tool_is_gone_is_counted_and_its_model_told()
    {
        await using var worker = await StartAsync(new Payment(), new { words = 3 });
        using var measured = new Measurements(worker.Get<IMeterFactory>(), JobTelemetryNames.Source);
        var draft = ToolSetup.Draft(new PinnedTool("gone", 1));
        await worker.ExecuteAsync(
            $$"""
            INSERT INTO job_tool_calls (job_id, round, position, tenant_id, attempt, call_id, tool, version, effect, arguments, effect_id, state)
            VALUES ('{{draft.Id}}', 1, 0, '{{ApiKeyStore.DefaultTenant}}', 1, 'call_0', 'gone', 1, {{(int)
                ToolEffect.Write}}, '{}', '{{draft.Id:N}}-1-0', 1)
            """,
            Guid.Empty
        );

        await worker.RunJobAsync(draft);

        var call = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        Assert.Equal((ToolCallState.Failed, "There is no such tool any more."), (call.State, call.Result));
        Assert.Equal(ToolRefusals.NotThere, Assert.Single(measured.Of("aibackend.tool.refused")).Tags["reason"]);
    }

    [Fact]
    public async Task A_61_a_call_of_a_tool_that_was_not_offered_is_counted_and_nothing_runs()
    {
        var payment = new Payment();
        await using var obedient = await ObedientModel.StartAsync();
        var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [(obedient.Address, "m")],
            [],
            builder => builder.Services.AddSingleton<ICodeTool>(payment)
        );
        using var measured = new Measurements(worker.Get<IMeterFactory>(), ProviderTelemetryNames.Source);
        var draft = ToolSetup.Draft(new PinnedTool("current_time", 0)) with
        {
            Input = """{"messages":[{"role":"user","content":"CALL pay {}"}],"tools":["current_time"]}""",
            MaxAttempts = 1,
        };

        var job = await worker.RunJobAsync(draft);

        Assert.Equal("provider_protocol_error", job.Error!.Code);
        Assert.Empty(payment.Ran);
        Assert.All(
            measured.Of("aibackend.provider.tools_refused"),
            each => Assert.Equal(("p0", "m"), ((string?)each.Tags["gen_ai.provider.name"], (string?)each.Tags["gen_ai.request.model"]))
        );
        Assert.NotEmpty(measured.Of("aibackend.provider.tools_refused"));
    }

    [Fact]
    public async Task One_that_writes_is_written_down_before_it_runs_and_has_an_id_of_its_own_for_each_effect()
    {
        var payment = new Payment();
        await using var worker = await StartAsync(payment, new { tools = "first", words = 3 });
        payment.Runs = async caller =>
        {
            var call = await worker.ScalarAsync<int>($"SELECT state::int FROM job_tool_calls WHERE effect_id = '{caller.EffectId}'");
            return new($"stood at {call}");
        };

        var draft = ToolSetup.Draft(Pay);
        await worker.RunJobAsync(draft);

        var done = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        Assert.Equal((ToolCallState.Done, ToolEffect.Write, "stood at 2"), (done.State, done.Effect, done.Result));
        Assert.Equal([done.EffectId], payment.Ran);
    }

    [Theory]
    [InlineData(ToolEffect.Write, true, JobStatus.Completed, "paid before", 0)]
    [InlineData(ToolEffect.Write, false, JobStatus.WaitingForReview, null, 0)]
    [InlineData(ToolEffect.WriteIdempotent, false, JobStatus.Completed, "paid", 1)]
    public async Task I_5_after_a_crash_in_its_middle_it_is_verified_or_decided_and_never_run_again_unless_that_repeats_nothing(
        ToolEffect effect,
        bool canTell,
        JobStatus status,
        string? result,
        int runs
    )
    {
        var payment = new Payment { Effect = effect, Verdict = canTell ? new CodeResult("paid before") : null };
        await using var worker = await StartAsync(payment, new { tools = "first", words = 3 });
        var draft = ToolSetup.Draft(Pay);
        // As a worker leaves it that died while the tool ran.
        await worker.ExecuteAsync(
            $$"""
            INSERT INTO job_tool_calls (job_id, round, position, tenant_id, attempt, call_id, tool, version, effect, arguments, effect_id, state, sent_at)
            VALUES ('{{draft.Id}}', 1, 0, '{{ApiKeyStore.DefaultTenant}}', 1, 'call_0', 'pay', 0, {{(int)effect}}, '{}', '{{draft.Id:N}}-1-0', 2, now())
            """,
            Guid.Empty
        );

        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == status, $"the job is {status}");

        var call = (await worker.ToolCallsAsync(draft.Id))[0];
        Assert.Equal(result, call.Result);
        Assert.Equal(Enumerable.Repeat(call.EffectId, runs), payment.Ran);
        Assert.Equal(effect == ToolEffect.Write ? [call.EffectId] : [], payment.Verified);
    }

    [Fact]
    public async Task One_that_wants_approval_runs_when_a_person_has_given_it()
    {
        var payment = new Payment { NeedsApproval = true };
        await using var worker = await StartAsync(payment, new { tools = "first", words = 3 });
        var draft = ToolSetup.Draft(Pay);

        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "a person is asked");
        Assert.Empty(payment.Ran);

        var wait = Assert.Single(await worker.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel));
        await worker.Get<AnswerWait>().ReviewContinuesAsync(new(ApiKeyStore.DefaultTenant, draft.Id, wait.Attempt), null, TestRun.Cancel);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "the job goes on");

        var call = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        Assert.Equal((ToolCallState.Done, "paid"), (call.State, call.Result));
        Assert.Equal([call.EffectId], payment.Ran);
    }

    [Fact]
    public void None_can_leave_its_work_to_a_client() =>
        Assert.Throws<ArgumentException>(() => new CodeTools([new Payment { Effect = ToolEffect.ExternalWait }]));

    private static async Task AddPassagesAsync(CoreHost worker)
    {
        await worker.AddPassageAsync("manuals", "for all", "The pump is open");
        await worker.AddPassageAsync("manuals", "for bob", "The pump of bob", reader: "bob");
        await worker.AddPassageAsync("manuals", "for eve", "The pump of eve", reader: "eve");
    }

    private static async Task<string> ModelOfAsync(CoreHost worker) =>
        (await worker.ScalarAsync<string>("SELECT model FROM job_attempts WHERE model IS NOT NULL LIMIT 1"))!;

    private async Task<CoreHost> StartAsync(Payment payment, object behaviour)
    {
        var database = await postgres.CreateDatabaseAsync();
        return await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [(simulator.Address, await simulator.ModelAsync(behaviour))],
            [],
            builder => builder.Services.AddSingleton<ICodeTool>(payment)
        );
    }

    private sealed class Payment : ICodeTool
    {
        public ConcurrentQueue<string> Ran { get; } = [];

        public ConcurrentQueue<string> Verified { get; } = [];

        public Func<CodeCaller, Task<CodeResult>> Runs { get; set; } = _ => Task.FromResult(new CodeResult("paid"));

        public CodeResult? Verdict { get; init; }

        public string Name => "pay";

        public string Description => "Pays.";

        public JsonElement Parameters { get; } = JsonElement.Parse("""{"type":"object"}""");

        public ToolEffect Effect { get; init; } = ToolEffect.Write;

        public bool NeedsApproval { get; init; }

        public async ValueTask<CodeResult> RunAsync(CodeCaller caller, JsonElement arguments, CancellationToken cancellationToken)
        {
            Ran.Enqueue(caller.EffectId!);
            return await Runs(caller);
        }

        public ValueTask<CodeResult?> VerifyAsync(CodeCaller caller, CancellationToken cancellationToken)
        {
            Verified.Enqueue(caller.EffectId!);
            return new(Verdict);
        }
    }
}
