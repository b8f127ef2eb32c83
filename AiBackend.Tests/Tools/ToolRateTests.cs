using System.Diagnostics.Metrics;
using System.Net;
using System.Reflection;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using AiBackend.Tests.Workflows;
using AiBackend.Worker.Execution.Tools;

namespace AiBackend.Tests.Tools;

/// <summary>How often a tool is called, and that no call of one begins work of its own here.</summary>
public sealed class ToolRateTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task D_15_beyond_its_calls_a_minute_a_tool_is_not_called_the_model_is_told_and_the_job_goes_on()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        // Two answers with calls that differ: the same question a third time is stopped for another reason.
        var model = await simulator.ModelAsync(
            new
            {
                tools = "first",
                words = 3,
                tool_copies = 2,
            }
        );
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, [(simulator.Address, model)], [receiver.Allowed]);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent) with { CallsPerMinute = 3 });
        using var measured = new Measurements(worker.Get<IMeterFactory>(), JobTelemetryNames.Source);
        var before = await MinuteAsync(database);

        List<ToolCall> calls = [];
        for (var run = 0; run < 3; run++)
        {
            var job = await worker.RunJobAsync(ToolSetup.Draft(tool));
            Assert.Equal("completed", job.Status);
            calls.AddRange(await worker.ToolCallsAsync(job.Id));
        }

        // A minute may turn meanwhile, which begins to count anew.
        var minutes = await MinuteAsync(database) - before + 1;
        var refused = calls.Where(call => call.State == ToolCallState.Failed).ToList();
        Assert.Equal(6, calls.Count);
        Assert.InRange(receiver.Posted.Count(), 3, 3 * minutes);
        Assert.Equal(6 - receiver.Posted.Count(), refused.Count);
        Assert.All(
            refused,
            call => Assert.Matches("all of its 3 calls of this minute are used up.*ask again in [0-9]+ seconds", call.Result)
        );
        // What was not made was not written down as sent.
        Assert.All(refused, call => Assert.Null(call.SentAt));
        Assert.Equal(
            refused.Select(_ => (object)ToolRefusals.Rate),
            measured.Of("aibackend.tool.refused").Select(each => each.Tags["reason"])
        );
    }

    [Theory]
    [InlineData(ToolEffect.Read, false)]
    [InlineData(ToolEffect.Write, false)]
    [InlineData(ToolEffect.Write, true)]
    public async Task D_15_a_step_waits_for_the_calls_of_its_tool_whatever_that_does_and_keeps_its_try_and_its_approval(
        ToolEffect effect,
        bool needsApproval
    )
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, """{"id":7}""");
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, [(simulator.Address, model)], [receiver.Allowed]);
        using var measured = new Measurements(worker.Get<IMeterFactory>(), JobTelemetryNames.Source);
        var tool = await worker.AddToolAsync(
            ToolSetup.Http(receiver.Url, effect) with
            {
                CallsPerMinute = 3,
                NeedsApproval = needsApproval,
            }
        );
        const string Send =
            """{"steps":[{"name":"send","type":"tool","tool":"send","max_attempts":1,"arguments":{"to":"a","amount":2}}]}""";
        var run = RunDraft.Of(Send, "{}", null, tool);
        await GrantAsync(worker, 0);

        await worker.SubmitAsync(run);
        if (needsApproval)
        {
            await worker.UntilAsync(async () => await worker.ScalarAsync<long>("SELECT count(*) FROM job_waits") == 1, "a person is asked");
            var step = await worker.ScalarAsync<Guid>("SELECT id FROM jobs WHERE type = 4");
            await worker.Get<AnswerWait>().ReviewContinuesAsync(new(ApiKeyStore.DefaultTenant, step, 1), null, TestRun.Cancel);
        }

        // Until the minute is over, here an hour; and it looks again.
        for (var looks = 1; looks <= 2; looks++)
        {
            // Eventually, which has nothing that waits be due: it looks again when this test says so, and no sooner.
            await Eventually.TrueAsync(
                async _ =>
                    measured.Of("aibackend.tool.refused").Count == looks
                    && await worker.ScalarAsync<long>(
                        "SELECT count(*) FROM jobs WHERE type = 4 AND status = 5 AND waiting_reason = 'tool_rate:send' AND due_at > now() + interval '30 minutes'"
                    ) == 1,
                $"it was told to wait for time {looks}",
                TimeSpan.FromSeconds(60)
            );
            Assert.Empty(receiver.Posted);
            Assert.Equal(
                1L,
                await worker.ScalarAsync<long>("SELECT count(*) FROM job_tool_calls WHERE sent_at IS NULL AND ended_at IS NULL")
            );
            await GrantAsync(worker, looks - 1);
            await worker.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE type = 4 AND status = 5", Guid.Empty);
        }

        await worker.UntilAsync(async () => await worker.StatusAsync(run.Id) == JobStatus.Completed, "the run goes on");
        Assert.Single(receiver.Posted);
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM job_tool_calls"));
        Assert.Equal(needsApproval ? 1L : 0L, await worker.ScalarAsync<long>("SELECT count(*) FROM job_waits"));
        Assert.All(measured.Of("aibackend.tool.refused"), each => Assert.Equal(ToolRefusals.Rate, each.Tags["reason"]));
    }

    [Fact]
    public async Task D_15_of_64_calls_at_once_no_more_than_the_rate_begin_and_other_tools_and_tenants_have_theirs()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        var rates = Enumerable.Range(0, 2).Select(_ => new ToolRates(core.Database)).ToList();
        var before = await MinuteAsync(database);

        var waits = await Task.WhenAll(
            Enumerable.Range(0, 64).Select(turn => rates[turn % 2].TakeAsync(ApiKeyStore.DefaultTenant, "send", 10, TestRun.Cancel))
        );

        var minutes = await MinuteAsync(database) - before + 1;
        Assert.InRange(waits.Count(wait => wait is null), 10, 10 * minutes);
        Assert.All(waits, wait => Assert.True(wait is null || (wait > TimeSpan.Zero && wait <= TimeSpan.FromMinutes(1))));
        Assert.Null(await rates[0].TakeAsync(ApiKeyStore.DefaultTenant, "other", 10, TestRun.Cancel));
        Assert.Null(await rates[0].TakeAsync(Guid.CreateVersion7(), "send", 10, TestRun.Cancel));
    }

    [Fact]
    public async Task D_15_a_run_is_three_deep_because_no_call_of_a_tool_begins_a_job_or_a_run()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, "m"));

        // Run, job of a step, call: what runs here at a model's wish has nothing that makes jobs.
        Type[] runs = [typeof(ToolRunner), typeof(McpCalls), .. worker.Get<IEnumerable<ICodeTool>>().Select(tool => tool.GetType())];
        var needs = new HashSet<Type>();
        foreach (var type in runs)
        {
            Collect(worker, type, needs);
        }

        Assert.Contains(typeof(ToolSeal), needs);
        Assert.DoesNotContain(typeof(JobSubmission), needs);
        Assert.DoesNotContain(typeof(IJobStore), needs);
        // Nor what gives whoever has it anything.
        Assert.DoesNotContain(typeof(IServiceProvider), needs);
        Assert.DoesNotContain(typeof(IServiceScopeFactory), needs);
        // And no step of a run is a run.
        Assert.DoesNotContain(StepTypes.All, type => type.Contains("workflow", StringComparison.Ordinal));
        Assert.Equal([StepTypes.Chat, StepTypes.Tool, StepTypes.Review], StepTypes.OfJobs);
    }

    /// <summary>Has no minute of the clock decide.</summary>
    private static Task GrantAsync(CoreHost worker, int calls) =>
        worker.ExecuteAsync(
            $"""
            CREATE OR REPLACE FUNCTION take_key_allowance(
                p_tenant uuid, p_key text, p_kind smallint, p_wanted bigint, p_least bigint, p_limit bigint,
                OUT granted bigint, OUT left_over bigint, OUT ends_in interval
            ) LANGUAGE sql AS $$ SELECT {calls}::bigint, 0::bigint, interval '1 hour' $$
            """,
            Guid.Empty
        );

    /// <summary>What a type of ours is given, and what that is given; for an interface, what whoever stands for it here is given.</summary>
    private static void Collect(CoreHost worker, Type type, HashSet<Type> found)
    {
        var parameters = type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .SelectMany(constructor => constructor.GetParameters())
            .SelectMany(parameter => parameter.ParameterType.GetGenericArguments().Append(parameter.ParameterType))
            .Where(need => need == typeof(IServiceProvider) || need == typeof(IServiceScopeFactory) || IsOurs(need));
        foreach (var need in parameters.Where(found.Add))
        {
            var standing = need.IsInterface && IsOurs(need) ? worker.Get<IServiceProvider>().GetServices(need) : [];
            foreach (var each in standing.Select(one => one!.GetType()).Append(need).Where(IsOurs))
            {
                found.Add(each);
                Collect(worker, each, found);
            }
        }
    }

    private static bool IsOurs(Type type) => type.Assembly.GetName().Name!.StartsWith("AiBackend", StringComparison.Ordinal);

    private static async Task<int> MinuteAsync(TestDatabase database)
    {
        await using var command = database.Source.CreateCommand("SELECT floor(extract(epoch FROM clock_timestamp()) / 60)::int");
        return (int)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
