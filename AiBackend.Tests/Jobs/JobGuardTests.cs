using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>The guards of the SQL statements allow exactly the edges of <see cref="JobStateMachine"/>, from every status.</summary>
public sealed class JobGuardTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly JobStatus[] All = Enum.GetValues<JobStatus>();
    private static readonly JobStatus[] Running = [JobStatus.Processing];
    private static readonly JobStatus[] NotRunning = [.. All.Except(Running)];
    private static readonly JobError Failure = new("provider_unavailable", "transient", "The provider was away.", true);

    [Fact]
    public Task A_claim() =>
        ObeysAsync(JobTrigger.Claim, All, id => Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel));

    [Fact]
    public async Task A_claim_that_meets_a_limit_of_running_jobs()
    {
        await Core.ClaimAsync(await Core.SubmitAsync());
        await Core.ExecuteAsync("UPDATE tenants SET max_running = 1", Guid.Empty);

        await ObeysAsync(
            JobTrigger.MeetRunningLimit,
            All,
            id => Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel)
        );
    }

    [Fact]
    public Task A_time_that_has_come() => ObeysAsync(JobTrigger.BecomeDue, All, AdvanceAsync, "due_at = now()");

    [Fact]
    public Task A_deadline() => ObeysAsync(JobTrigger.Expire, All, AdvanceAsync, "deadline = now(), due_at = now() + interval '1 hour'");

    [Fact]
    public Task A_cancel_which_for_a_running_job_is_its_workers_to_apply() =>
        ObeysAsync(JobTrigger.Cancel, NotRunning, id => Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));

    [Fact]
    public Task A_cancel_that_an_attempts_end_overtook() =>
        ObeysAsync(JobTrigger.Cancel, NotRunning, AdvanceAsync, "cancel_requested = true, due_at = now() + interval '1 hour'");

    [Fact]
    public Task A_rescue() =>
        ObeysAsync(
            JobTrigger.GiveBack,
            Running,
            id => Core.Get<IJobStore>().RescueAsync([id], TestRun.Cancel),
            "lease_until = now() - interval '1 second', claimed_at = now()"
        );

    [Fact]
    public Task An_attempts_success() => EndsAsync(JobTrigger.Succeed, AttemptEnd.Succeeded("text"));

    [Fact]
    public Task An_attempts_partial_success() => EndsAsync(JobTrigger.SucceedPartially, AttemptEnd.Partial("text", "the rest"));

    [Fact]
    public Task A_failure_that_another_attempt_follows() =>
        EndsAsync(JobTrigger.FailForNow, AttemptEnd.FailedForNow(Failure, TimeSpan.FromHours(1)));

    [Fact]
    public Task A_failure_for_good() => EndsAsync(JobTrigger.FailForGood, AttemptEnd.FailedForGood(Failure));

    [Fact]
    public Task A_job_given_back() => EndsAsync(JobTrigger.GiveBack, AttemptEnd.GivenBack());

    [Fact]
    public Task A_cancel_applied_by_the_worker() => EndsAsync(JobTrigger.Cancel, AttemptEnd.Cancelled(null));

    [Fact]
    public Task A_question_for_a_tool() => EndsAsync(JobTrigger.AskForTool, AttemptEnd.AskedForTool(new("{}")));

    [Fact]
    public Task A_question_for_a_reviewer() => EndsAsync(JobTrigger.AskForReview, AttemptEnd.AskedForReview(new("{}"), "text"));

    [Fact]
    public Task A_tool_s_answer() => AnswerAsync(JobTrigger.ToolAnswered, wait => Answer.ToolAnsweredAsync(wait, "{}", TestRun.Cancel));

    [Fact]
    public Task A_reviewer_who_wants_more() =>
        AnswerAsync(JobTrigger.ReviewContinues, wait => Answer.ReviewContinuesAsync(wait, null, TestRun.Cancel));

    [Fact]
    public Task A_reviewer_who_accepts() =>
        AnswerAsync(JobTrigger.ReviewAccepts, wait => Answer.ReviewAcceptsAsync(wait, null, null, TestRun.Cancel));

    [Fact]
    public Task A_reviewer_who_refuses() =>
        AnswerAsync(JobTrigger.ReviewRejects, wait => Answer.ReviewRejectsAsync(wait, null, TestRun.Cancel));

    [Fact]
    public Task A_wait_that_nobody_answered_in_time() =>
        ObeysAsync(
            JobTrigger.Expire,
            [JobStatus.WaitingForTool, JobStatus.WaitingForReview],
            async id =>
            {
                await AddWaitAsync(id);
                await AdvanceAsync(id);
            },
            "due_at = now() + interval '1 hour'"
        );

    private AnswerWait Answer => Core.Get<AnswerWait>();

    private Task AnswerAsync(JobTrigger trigger, Func<WaitKey, Task> answer) =>
        ObeysAsync(
            trigger,
            All,
            async id =>
            {
                await AddWaitAsync(id);
                await answer(new WaitKey(ApiKeyStore.DefaultTenant, id, 0));
            }
        );

    private Task AddWaitAsync(Guid id) =>
        Core.ExecuteAsync(
            """
            INSERT INTO job_waits (job_id, attempt, tenant_id, kind, schema_version, question, proposal, on_timeout, timeout_at)
            SELECT id, 0, tenant_id, 2, 1, '{}', 'text', 1, now() FROM jobs WHERE id = @id
            """,
            id
        );

    private Task AdvanceAsync(Guid id) => Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

    /// <summary>The end of an attempt whose lease the row still names, whatever its status.</summary>
    private Task EndsAsync(JobTrigger trigger, AttemptEnd end) =>
        ObeysAsync(
            trigger,
            Running,
            async from =>
            {
                var running = await Core.ClaimAsync(await Core.SubmitAsync());
                await PutAsync(running.Job.Lease.JobId, from, "");
                await running.EndAsync(end);
                return running.Job.Lease.JobId;
            }
        );

    private Task ObeysAsync(JobTrigger trigger, JobStatus[] appliesTo, Func<Guid, Task> act, string also = "") =>
        ObeysAsync(
            trigger,
            appliesTo,
            async from =>
            {
                var id = await Core.SubmitAsync();
                await PutAsync(id, from, also);
                await act(id);
                return id;
            }
        );

    private async Task ObeysAsync(JobTrigger trigger, JobStatus[] appliesTo, Func<JobStatus, Task<Guid>> act)
    {
        var (expected, actual) = (new List<(JobStatus From, JobStatus To)>(), new List<(JobStatus From, JobStatus To)>());
        foreach (var from in All)
        {
            expected.Add((from, appliesTo.Contains(from) ? JobStateMachine.Next(from, trigger) ?? from : from));
            actual.Add((from, await Core.StatusAsync(await act(from))));
        }

        Assert.Equal(expected, actual);
    }

    private Task PutAsync(Guid id, JobStatus status, string also) =>
        Core.ExecuteAsync($"UPDATE jobs SET status = {(short)status}{(also.Length > 0 ? ", " + also : "")} WHERE id = @id", id);
}
