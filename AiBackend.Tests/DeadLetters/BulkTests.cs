using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Database;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.DeadLetters;

/// <summary>Bulk actions go on from where they are, whoever leads, and never make two jobs of one letter.</summary>
public sealed partial class BulkTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly Guid Tenant = ApiKeyStore.DefaultTenant;

    private RunBulkActions Leader => Core.Get<RunBulkActions>();

    [Fact]
    public async Task A_canary_replays_one_then_ten_then_the_rest_each_after_the_ones_before_have_ended()
    {
        await DieAsync(14);
        var id = await BeginAsync(canary: true, rate: 1000);

        var first = await NewJobsAsync(id, 1);
        await StepAsync();
        Assert.Equal(1, (await FindAsync(id)).Done);
        await EndAsync(first, AttemptEnd.Succeeded("yes"));
        var second = await NewJobsAsync(id, 11);
        await StepAsync();
        await EndAsync(second.Except(first).Take(9), AttemptEnd.Succeeded("yes"));
        await StepAsync();
        Assert.Equal((2, 11), ((await FindAsync(id)).Stage, (await FindAsync(id)).Done));
        await EndAsync(second.Except(first).Skip(9), AttemptEnd.Succeeded("yes"));
        var all = await NewJobsAsync(id, 14);
        await StepAsync();
        Assert.Equal("running", (await FindAsync(id)).Status);
        await EndAsync(all.Except(second), AttemptEnd.Cancelled(null));
        var action = await EndedAsync(id);

        Assert.Equal(("completed", 14L, 14L, 0L), (action.Status, action.Total, action.Done, action.Waiting));
        Assert.Equal(new BulkOutcomes(0, 11, 0, 3), action.Outcomes);
        Assert.Equal(14, await Core.ScalarAsync<int>("SELECT count(DISTINCT replay_of) FROM job_payloads WHERE replay_of IS NOT NULL"));
    }

    [Fact]
    public async Task A_canary_stops_when_a_new_job_dies_of_its_old_cause()
    {
        await DieAsync(14);
        var id = await BeginAsync(canary: true, rate: 1000);
        var first = await NewJobsAsync(id, 1);
        await EndAsync(first, AttemptEnd.Succeeded("yes"));
        var second = (await NewJobsAsync(id, 11)).Except(first).ToList();
        await EndAsync(second.Skip(1), AttemptEnd.Succeeded("yes"));

        await EndAsync(
            second.Take(1),
            AttemptEnd.FailedForGood(Dying.Timeout with { Message = "Provider 'p9' sent no first token within 7 s." })
        );
        // Not labelled yet: nobody knows what it died of, so nothing goes on.
        await StepAsync();
        Assert.Equal("running", (await FindAsync(id)).Status);
        await Core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);
        var action = await EndedAsync(id);

        Assert.Equal(("stopped", second[0], 3L), (action.Status, action.StoppedBy!.Value, action.Waiting));
        Assert.Contains("provider_timeout", action.StopReason, StringComparison.Ordinal);
        await StepAsync();
        Assert.Equal(11, (await FindAsync(id)).Done);
    }

    [Fact]
    public async Task A_canary_goes_on_when_a_new_job_dies_of_something_else()
    {
        await DieAsync(2);
        var id = await BeginAsync(canary: true, rate: 1000);

        await EndAsync(await NewJobsAsync(id, 1), AttemptEnd.FailedForGood(Dying.Timeout with { Code = "provider_unavailable" }));
        await Core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);
        await NewJobsAsync(id, 2);

        Assert.Equal(1, (await FindAsync(id)).Outcomes!.Failed);
    }

    [Fact]
    public async Task The_first_of_a_canary_are_one_of_every_cause()
    {
        await DieAsync(12);
        await Core.DieAsync(Dying.Timeout with { Code = "provider_unavailable" });
        var id = await BeginAsync(canary: true, rate: 1000);

        await EndAsync(await NewJobsAsync(id, 1), AttemptEnd.Succeeded("yes"));
        await NewJobsAsync(id, 11);

        Assert.Equal(
            2,
            await Core.ScalarAsync<int>(
                "SELECT count(DISTINCT d.code) FROM bulk_items i JOIN dead_letters d ON d.job_id = i.job_id WHERE i.action_id = @id AND i.stage < 3",
                id
            )
        );
    }

    [Fact]
    public async Task Eight_leaders_and_single_replays_at_once_make_one_job_of_every_letter()
    {
        var dead = await DieAsync(40);
        var id = await BeginAsync(canary: false, rate: 1000);
        var other = await BeginAsync(canary: false, rate: 1000);

        var singles = dead.Take(20).Select(ReplayAsync).ToList();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Leader.RunAsync(TestRun.Cancel)));
        await Task.WhenAll(singles);
        var (one, two) = (await EndedAsync(id), await EndedAsync(other));

        Assert.Equal(40, await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads WHERE replay_of IS NOT NULL"));
        Assert.Equal(40, await Core.ScalarAsync<int>("SELECT count(DISTINCT replay_of) FROM job_payloads WHERE replay_of IS NOT NULL"));
        Assert.Equal((40L, 40L), (one.Done + one.Skipped, two.Done + two.Skipped));
        var made = await Task.WhenAll(singles);
        Assert.Equal(40, one.Done + two.Done + made.Count(outcome => outcome is ReplayOutcome.Done { Repeat: false }));
    }

    [Fact]
    public async Task A_leader_that_dies_between_two_statements_leaves_what_the_next_one_finishes()
    {
        await DieAsync(30);
        var id = await BeginAsync(canary: false, rate: 100);

        // Whatever it was in the middle of is rolled back or committed whole.
        for (var round = 0; round < 20; round++)
        {
            using var cut = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
            var running = Leader.RunAsync(cut.Token);
            await cut.CancelAsync();
            try
            {
                await running;
            }
            catch (OperationCanceledException)
            {
                // Most rounds; a quick one has ended before.
            }
        }

        var action = await EndedAsync(id);
        Assert.Equal(("completed", 30L), (action.Status, action.Done));
        Assert.Equal(30, await Core.ScalarAsync<int>("SELECT count(DISTINCT replay_of) FROM job_payloads WHERE replay_of IS NOT NULL"));
        Assert.Equal(30, await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads WHERE replay_of IS NOT NULL"));
    }

    [Fact]
    public async Task The_rate_holds_whoever_leads()
    {
        await DieAsync(30);
        var id = await BeginAsync(canary: false, rate: 4);

        var watch = System.Diagnostics.Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Leader.RunAsync(TestRun.Cancel)));

        // One for every quarter of a second that this took, and the next step is due only after it.
        Assert.InRange((await FindAsync(id)).Done, 1, 1 + (4 * watch.Elapsed.TotalSeconds));
        Assert.True(
            await Core.ScalarAsync<bool>("SELECT next_step_at > created_at + interval '0.2 seconds' FROM bulk_actions WHERE id = @id", id)
        );
    }

    [Fact]
    public async Task A_cancelled_action_begins_nothing_more()
    {
        await DieAsync(5);
        var id = await BeginAsync(canary: false, rate: 4);
        await StepAsync();

        Assert.True(await Core.Get<BulkReads>().CancelAsync(Tenant, id, TestRun.Cancel));
        await StepAsync();
        // A leader that saw the action run a moment ago.
        await Leader.StepAsync(new(id, BulkKind.Replay, Canary: false, Model: null, JobPriority.Interactive, IsDue: true), TestRun.Cancel);

        var action = await FindAsync(id);
        Assert.Equal(("cancelled", 1L, 4L), (action.Status, action.Done, action.Waiting));
        Assert.NotNull(action.FinishedAt);
        Assert.False(await Core.Get<BulkReads>().CancelAsync(Tenant, id, TestRun.Cancel));
    }

    [Fact]
    public async Task A_discard_closes_every_letter_and_makes_no_job()
    {
        await DieAsync(300);
        var id = await BeginAsync(BulkKind.Discard, canary: false, rate: RunBulkActions.MaxRate);

        var action = await EndedAsync(id);

        Assert.Equal(("completed", 300L, null), (action.Status, action.Done, action.Outcomes));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE discarded_at IS NULL"));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads WHERE replay_of IS NOT NULL"));
    }

    [Fact]
    public async Task A_preview_says_what_is_known_and_of_how_many()
    {
        await DieAsync(2);
        var paid = await Core.SubmitAsync();
        await Core.EndAsync(paid, AttemptEnd.FailedForGood(Dying.Timeout) with { Usage = new(100, 0, 20, 0.5m) });
        var unpriced = await Core.SubmitAsync();
        await Core.EndAsync(unpriced, AttemptEnd.FailedForGood(Dying.Timeout) with { Usage = new(10, 0, 2, null) });
        await Core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);

        var preview = await Core.Get<PreviewBulkAction>().RunAsync(new(Tenant, new DeadLetterFilter(), null), TestRun.Cancel);

        Assert.Equal(new BulkPreview(4, 2, 110, 22, 1, 0.5m), preview);
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM bulk_actions"));
    }

    private async Task<List<Guid>> DieAsync(int count)
    {
        var ids = new List<Guid>();
        for (var i = 0; i < count; i++)
        {
            ids.Add(await Core.SubmitAsync());
        }

        await EndAsync(ids, AttemptEnd.FailedForGood(Dying.Timeout));
        await Core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);
        return ids;
    }

    private Task EndAsync(IEnumerable<Guid> ids, AttemptEnd end) => Task.WhenAll(ids.Select(id => Core.EndAsync(id, end)).ToList());

    private Task<Guid> BeginAsync(bool canary, int rate) => BeginAsync(BulkKind.Replay, canary, rate);

    private async Task<Guid> BeginAsync(BulkKind kind, bool canary, int rate, string key = "key") =>
        Assert
            .IsType<BeginOutcome.Begun>(
                await Core.Get<BeginBulkAction>()
                    .RunAsync(
                        new(kind, new BulkSelection(Tenant, new DeadLetterFilter(), null), key) { Canary = canary, Rate = rate },
                        TestRun.Cancel
                    )
            )
            .Id;

    /// <summary>A round of the leader, with the pace taken out.</summary>
    private async Task StepAsync()
    {
        await Core.ExecuteAsync("UPDATE bulk_actions SET next_step_at = now()", Guid.Empty);
        await Leader.RunAsync(TestRun.Cancel);
    }

    private async Task<BulkAction> FindAsync(Guid id) => (await Core.Get<BulkReads>().FindAsync(Tenant, id, TestRun.Cancel))!;

    private async Task<BulkAction> EndedAsync(Guid id) =>
        await Eventually.GetAsync(
            async _ =>
            {
                await StepAsync();
                return await FindAsync(id);
            },
            action => action.HasEnded,
            "the bulk action ends",
            TimeSpan.FromSeconds(30)
        );

    private async Task<IReadOnlyList<Guid>> NewJobsAsync(Guid id, int count) =>
        await Eventually.GetAsync(
            async _ =>
            {
                await StepAsync();
                await using var command = Core.Database.CreateCommand(
                    "SELECT new_job_id FROM bulk_items WHERE action_id = $1 AND new_job_id IS NOT NULL ORDER BY new_job_id"
                );
                command.Parameters.AddWithValue(id);
                return await command.ReadAllAsync(row => row.GetGuid(0), TestRun.Cancel);
            },
            jobs => jobs.Count == count,
            $"{count} new jobs exist",
            TimeSpan.FromSeconds(30)
        );

    private async Task<ReplayOutcome> ReplayAsync(Guid jobId)
    {
        var replay = Core.Get<ReplayJob>();
        return await replay.RunAsync((await replay.FindAsync(Tenant, jobId, TestRun.Cancel))!, new(Tenant, jobId, "key"), TestRun.Cancel);
    }
}
