using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Workflows;

/// <summary>What reaches the steps of a run from elsewhere, at the worst moments.</summary>
public sealed class RunStepStoreTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly JsonElement Data = JsonDocument.Parse("""{"amount":12}""").RootElement;
    private static readonly DateTimeOffset Later = DateTimeOffset.FromUnixTimeSeconds(4_000_000_000);

    private RunStepStore Steps => new(Core.Database);

    private OpenSteps Open => new(Core.Database);

    [Theory]
    [InlineData(StepTypes.Timer, false)]
    [InlineData(StepTypes.Map, false)]
    [InlineData(StepTypes.Event, true)]
    public async Task An_event_ends_no_step_that_waits_for_something_else(string type, bool isTaken)
    {
        using var run = await HoldAsync(new StepState("one", null, StepStatus.Running) { Type = type, DueAt = Later });

        Assert.Equal(isTaken, await PostAsync(run));

        Assert.Equal((StepStatus.Running, isTaken), await StateAsync(run));
    }

    [Fact]
    public async Task An_event_that_comes_too_late_is_not_taken()
    {
        using var run = await HoldAsync(Waiting with { DueAt = DateTimeOffset.UnixEpoch });

        Assert.False(await PostAsync(run));
    }

    [Fact]
    public async Task An_event_that_comes_while_the_run_finds_that_nobody_posted_it_is_not_lost()
    {
        using var run = await HoldAsync(Waiting);
        Assert.True(await PostAsync(run));

        var timeout = await Steps.WriteAsync(Tenant, run.Job.Lease, [Waiting.Failed("Nobody posted it.")], TestRun.Cancel);

        // Who writes is told, and looks again.
        Assert.Equal((StepsWritten.Some, (StepStatus.Running, true)), (timeout, await StateAsync(run)));
        var taken = Waiting with { Status = StepStatus.Succeeded };
        Assert.Equal(StepsWritten.All, await Steps.WriteAsync(Tenant, run.Job.Lease, [taken], TestRun.Cancel));
        var values = await Steps.ReadValuesAsync(Tenant, run.Job.Lease.JobId, ["one"], TestRun.Cancel);
        Assert.Equal(12, values["one"].GetProperty("amount").GetInt32());
    }

    [Fact]
    public async Task A_run_to_which_an_event_comes_while_it_is_under_way_is_woken_when_it_waits_again()
    {
        using var run = await HoldAsync(Waiting);
        Assert.True(await PostAsync(run));
        Assert.True(await Open.AnyOpenAsync(TestRun.Cancel));

        await Open.WakeAsync(TestRun.Cancel);
        Assert.True(await run.EndAsync(Wait));
        await Open.WakeAsync(TestRun.Cancel);

        Assert.True(await Core.ScalarAsync<bool>("SELECT due_at <= now() FROM jobs WHERE id = @id", run.Job.Lease.JobId));
    }

    [Fact]
    public async Task A_run_that_waits_for_nothing_that_came_is_left_alone()
    {
        using var run = await HoldAsync(Waiting);
        Assert.False(await Open.AnyOpenAsync(TestRun.Cancel));
        Assert.True(await run.EndAsync(Wait));

        await Open.WakeAsync(TestRun.Cancel);

        Assert.False(await Core.ScalarAsync<bool>("SELECT due_at <= now() FROM jobs WHERE id = @id", run.Job.Lease.JobId));
    }

    [Fact]
    public async Task Whoever_posts_an_event_does_not_wait_for_whoever_holds_the_run()
    {
        using var run = await HoldAsync(Waiting);
        await using var other = await Core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await other.BeginTransactionAsync(TestRun.Cancel);
        await using var held = other.CreateCommand();
        held.CommandText = "SELECT 1 FROM jobs FOR UPDATE";
        await held.ExecuteNonQueryAsync(TestRun.Cancel);

        // One that did could meet a look that holds the run and wants the step.
        Assert.True(await PostAsync(run).WaitAsync(TimeSpan.FromSeconds(10), TestRun.Cancel));
    }

    [Fact]
    public async Task What_waited_when_the_run_ended_is_shown_as_not_done_and_is_looked_at_no_more()
    {
        using var run = await HoldAsync(Waiting, Waiting with { Name = "two" });
        Assert.True(await PostAsync(run));
        Assert.True(await run.EndAsync(AttemptEnd.Cancelled(null)));

        await Open.CloseAsync(TestRun.Cancel);

        var shown = await Steps.ShowAsync(Tenant, run.Job.Lease.JobId, null, 10, TestRun.Cancel);
        Assert.All(shown, step => Assert.Equal((RunStepStatuses.Failed, "The run was over before."), (step.Status, step.Error)));
        Assert.Equal(2, shown.Count);
        Assert.False(await Open.AnyOpenAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task The_value_of_a_map_is_the_list_of_what_its_items_gave_in_their_order()
    {
        using var run = await HoldAsync(
            new StepState("m", null, StepStatus.Succeeded) { Type = StepTypes.Map },
            Item(10, "ten"),
            Item(2, "two"),
            Item(0, "zero"),
            new StepState("m", 1, StepStatus.Failed) { Type = StepTypes.Chat },
            new StepState("none", null, StepStatus.Succeeded) { Type = StepTypes.Map }
        );

        var values = await Steps.ReadValuesAsync(Tenant, run.Job.Lease.JobId, ["m", "none", "unknown"], TestRun.Cancel);

        Assert.Equal(["m", "none"], values.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("""["zero",null,"two","ten"]""", "[]"), (values["m"].GetRawText(), values["none"].GetRawText()));

        static StepState Item(int item, string text) =>
            new StepState("m", item, StepStatus.Running) { Type = StepTypes.Chat }.Gave(StepValues.OfText(text));
    }

    [Fact]
    public async Task The_job_of_a_step_stays_while_its_run_is_under_way_and_takes_what_it_gave_along_afterwards()
    {
        var stepJob = await Core.SubmitAsync();
        using (var attempt = await Core.ClaimAsync(stepJob))
        {
            Assert.True(await attempt.EndAsync(AttemptEnd.Succeeded("secret")));
        }

        using var run = await HoldAsync(
            new StepState("one", null, StepStatus.Running) { Type = StepTypes.Chat, JobId = stepJob }.Gave(StepValues.OfText("secret"))
        );
        Assert.False(await DeleteAsync(stepJob));
        Assert.True(await run.EndAsync(AttemptEnd.Succeeded("done")));
        Assert.True(await DeleteAsync(stepJob));

        var shown = Assert.Single(await Steps.ShowAsync(Tenant, run.Job.Lease.JobId, null, 10, TestRun.Cancel));
        Assert.Equal((RunStepStatuses.Succeeded, null), (shown.Status, shown.Output));
    }

    [Fact]
    public async Task With_a_run_go_the_jobs_of_its_steps_when_all_of_them_have_ended()
    {
        var stepJob = await Core.SubmitAsync();
        using var attempt = await Core.ClaimAsync(stepJob);
        using var run = await HoldAsync(new StepState("one", null, StepStatus.Running) { Type = StepTypes.Chat, JobId = stepJob });
        Assert.True(await run.EndAsync(AttemptEnd.Cancelled(null)));
        Assert.False(await DeleteAsync(run.Job.Lease.JobId));
        Assert.True(await attempt.EndAsync(AttemptEnd.Cancelled(null)));
        Assert.True(await DeleteAsync(run.Job.Lease.JobId));

        Assert.Equal(0L, await Core.ScalarAsync<long>("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM workflow_steps)"));
    }

    private static Guid Tenant => ApiKeyStore.DefaultTenant;

    private static StepState Waiting => new("one", null, StepStatus.Running) { Type = StepTypes.Event, DueAt = Later };

    private static AttemptEnd Wait =>
        AttemptEnd.WaitsForProvider(new("steps", "transient", "Waits.", Retryable: true), WaitingReasons.Steps, TimeSpan.FromMinutes(15));

    /// <summary>A run under way that has begun these steps.</summary>
    private async Task<RunningJob> HoldAsync(params StepState[] states)
    {
        var id = await Core.SubmitAsync(
            CoreHost.Draft() with
            {
                Type = JobType.Workflow,
                Input = new RunInput
                {
                    Workflow = "w",
                    Version = 1,
                    Definition = JsonSerializer.Deserialize("{}", WireJson.Default.WorkflowDefinition)!,
                }.ToJson(),
            }
        );
        var run = await Core.ClaimAsync(id);
        Assert.Equal(StepsWritten.All, await Steps.WriteAsync(Tenant, run.Job.Lease, states, TestRun.Cancel));
        return run;
    }

    /// <summary>As whoever asks for it over the API.</summary>
    private Task<bool> DeleteAsync(Guid job) =>
        Core.ScalarAsync<bool>(
            $$"""
            SELECT CASE WHEN set_config('aibackend.actor', '{"actor":"k","action":"DeleteJob"}', true) IS NOT NULL THEN delete_job('{{Tenant}}', @id) END
            """,
            job
        );

    private Task<bool> PostAsync(RunningJob run) => Steps.PostAsync(Tenant, run.Job.Lease.JobId, "one", Data, TestRun.Cancel);

    private async Task<(StepStatus, bool)> StateAsync(RunningJob run)
    {
        var state = Assert.Single(await Steps.ReadAsync(Tenant, run.Job.Lease.JobId, TestRun.Cancel)).State;
        return (state.Status, state.IsPosted);
    }
}
