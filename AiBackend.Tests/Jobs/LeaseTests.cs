using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Jobs;

public sealed class LeaseTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly JobError ProviderDown = new("provider_unavailable", "transient", "The provider was away.", true);

    [Fact]
    public async Task Text_and_outcome_are_stored_in_order_and_gapless_I_8()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);

        running.AppendText("Once ");
        running.AppendText("upon a time");
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Once upon a time") with { Usage = new JobUsage(3, 0, 4, null) }));

        var events = await Core.EventsAsync(id);
        Assert.Equal(Enumerable.Range(1, events.Count), events.Select(record => record.Seq));
        Assert.Equal(
            [JobEventKind.State, JobEventKind.State, JobEventKind.Usage, JobEventKind.Final],
            events.Select(record => record.Kind).Where(kind => kind != JobEventKind.Delta)
        );
        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("completed", "Once upon a time", 4), (job!.Status, job.Output!.Text, job.Usage!.OutputTokens));
        Assert.Equal("Once upon a time", Fold(events));
    }

    [Fact]
    public async Task Of_many_claims_of_one_job_exactly_one_succeeds()
    {
        var id = await Core.SubmitAsync();

        var claims = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => Core.Get<ClaimJobs>().RunAsync(Guid.CreateVersion7(), [id], CoreHost.Lease, TestRun.Cancel))
        );

        Assert.Single(claims.SelectMany(claimed => claimed));
    }

    [Fact]
    public async Task A_job_that_is_named_twice_in_one_claim_is_claimed_once()
    {
        var id = await Core.SubmitAsync();

        // As two entries of the ready stream do after it was lost and each job was offered again.
        var claimed = await Core.Get<ClaimJobs>().RunAsync(Guid.CreateVersion7(), [id, id], CoreHost.Lease, TestRun.Cancel);

        Assert.Equal(id, Assert.Single(claimed).Lease.JobId);
    }

    [Fact]
    public async Task I_10_a_worker_whose_lease_was_taken_over_writes_nothing_and_is_heard_by_nobody_F_4()
    {
        var id = await Core.SubmitAsync();
        using var zombie = await Core.ClaimAsync(id);
        await Core.ExpireLeaseAsync(id);
        Assert.Equal(1, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));
        using var current = await Core.ClaimAsync(id, Guid.CreateVersion7());
        var before = await Core.EventsAsync(id);

        zombie.AppendText("from the grave");
        var recorded = await zombie.EndAsync(AttemptEnd.Succeeded("from the grave"));

        Assert.False(recorded);
        Assert.True(zombie.IsLost);
        Assert.True(Core.Writes.FencedCount >= 1);
        Assert.Equal(before, await Core.EventsAsync(id));
        Assert.True(await current.EndAsync(AttemptEnd.Succeeded("alive")));
        Assert.Equal("alive", (await Core.Reads.FindAsync(id, TestRun.Cancel))!.Output!.Text);
    }

    [Fact]
    public async Task I_10_a_rescue_is_not_taken_for_a_write_whose_reply_was_lost()
    {
        var store = Core.Get<IJobStore>();
        using var appending = await Core.ClaimAsync(await Core.SubmitAsync());
        var lost = new LeasedWrite(
            appending,
            2,
            [new(JobEventKind.Delta, "{}"u8.ToArray()), new(JobEventKind.Delta, "{}"u8.ToArray())],
            null
        );
        await Core.ExpireLeaseAsync(appending.Job.Lease.JobId);
        await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel);

        Assert.Equal(lost.LastSeq, await Core.ScalarAsync<int>("SELECT last_seq FROM jobs WHERE id = @id", appending.Job.Lease.JobId));
        Assert.Empty(await store.FindAppliedAsync([lost]));
        Assert.Empty(await store.FindAppliedAsync([lost with { End = AttemptEnd.Succeeded("x") }]));
    }

    [Fact]
    public async Task A_retryable_failure_waits_then_runs_again_and_earlier_text_is_reset()
    {
        var id = await Core.SubmitAsync();
        using var first = await Core.ClaimAsync(id);
        first.AppendText("half an ans");
        Assert.True(await first.EndAsync(AttemptEnd.FailedForNow(ProviderDown, TimeSpan.Zero)));
        Assert.Equal(JobStatus.Retrying, await Core.StatusAsync(id));

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        using var second = await Core.ClaimAsync(id);
        second.AppendText("whole");
        await second.EndAsync(AttemptEnd.Succeeded("whole"));

        var events = await Core.EventsAsync(id);
        Assert.Contains(
            events,
            record => record.Kind == JobEventKind.Reset && record.Data.Contains("provider_failure", StringComparison.Ordinal)
        );
        Assert.Equal("whole", Fold(events));
        Assert.Equal(2, (await Core.Reads.FindAsync(id, TestRun.Cancel))!.Attempt);
    }

    [Fact]
    public async Task A_final_failure_is_a_dead_letter_unless_the_caller_erred_I_12()
    {
        var mine = await Core.SubmitAsync();
        var theirs = await Core.SubmitAsync();
        using (var running = await Core.ClaimAsync(mine))
        {
            await running.EndAsync(AttemptEnd.FailedForGood(ProviderDown));
        }

        using (var running = await Core.ClaimAsync(theirs))
        {
            await running.EndAsync(AttemptEnd.FailedForGood(new("invalid_request", "caller_error", "The request is wrong.", false)));
        }

        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE job_id = @id", mine));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE job_id = @id", theirs));
    }

    [Fact]
    public async Task A_job_given_back_by_a_draining_worker_does_not_use_up_an_attempt()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 1 });
        for (var i = 0; i < 3; i++)
        {
            using var drained = await Core.ClaimAsync(id);
            Assert.Equal(1, drained.Job.CountedAttempts);
            await drained.EndAsync(AttemptEnd.GivenBack());
            Assert.Equal(JobStatus.Queued, await Core.StatusAsync(id));
        }
    }

    [Fact]
    public async Task A_provider_s_rate_limit_does_not_use_up_an_attempt()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 1 });
        using (var limited = await Core.ClaimAsync(id))
        {
            await limited.EndAsync(AttemptEnd.FailedForNow(new("rate_limited", "rate_limited", "Too many.", true), TimeSpan.Zero));
        }

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        using var second = await Core.ClaimAsync(id);
        Assert.Equal((2, 1), (second.Job.Attempt, second.Job.CountedAttempts));
    }

    [Fact]
    public async Task A_job_that_has_ended_may_still_be_told_to_stop()
    {
        var id = await Core.SubmitAsync();
        var running = await Core.ClaimAsync(id);
        await running.EndAsync(AttemptEnd.Succeeded("done"));
        running.Dispose();

        running.Lose();
        running.RequestCancel();

        Assert.True(running.IsLost);
    }

    [Fact]
    public async Task I_2_a_terminal_job_refuses_every_update()
    {
        var id = await Core.SubmitAsync();
        using (var running = await Core.ClaimAsync(id))
        {
            await running.EndAsync(AttemptEnd.Succeeded("done"));
        }

        foreach (var (table, key) in new[] { ("jobs", "id"), ("job_outputs", "job_id"), ("job_payloads", "job_id") })
        {
            var columns = await Core.ScalarAsync<string>(
                $"SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
            );
            foreach (var column in columns.Split(','))
            {
                // Even to the value that it has.
                var failure = await Assert.ThrowsAsync<PostgresException>(() =>
                    Core.ExecuteAsync($"UPDATE {table} SET {column} = {column} WHERE {key} = @id", id)
                );
                Assert.Equal((table, "AI001"), (table, failure.SqlState));
            }
        }
    }

    [Fact]
    public async Task Renewal_keeps_a_lease_reports_a_cancel_and_leaves_out_what_is_lost()
    {
        var kept = await Core.SubmitAsync();
        var lost = await Core.SubmitAsync();
        using var keeping = await Core.ClaimAsync(kept);
        using var losing = await Core.ClaimAsync(lost);
        await Core.ExpireLeaseAsync(lost);
        await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel);
        Assert.IsType<CancelOutcome.Accepted>(await Core.Get<CancelJob>().RunAsync(CoreHost.Draft().TenantId, kept, TestRun.Cancel));

        var held = await Core.Get<IJobStore>()
            .RenewAsync(
                new WorkerHeartbeat(Core.WorkerId, "test", 10, 2, 0, false, 1),
                [keeping.Job.Lease, losing.Job.Lease],
                CoreHost.Lease,
                TestRun.Cancel
            );

        Assert.Equal([KeyValuePair.Create(kept, true)], held);
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM workers WHERE id = @id", Core.WorkerId));
    }

    [Fact]
    public async Task Five_hundred_jobs_streaming_at_once_keep_every_character()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 500; i++)
        {
            ids.Add(await Core.SubmitAsync());
        }

        // In one statement: of five hundred the last would wait for a connection for longer than one is waited for.
        var claimed = await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, ids, CoreHost.Lease, TestRun.Cancel);
        Assert.Equal(ids.Count, claimed.Count);
        await Task.WhenAll(
            claimed.Select(async job =>
            {
                using var running = Core.Writes.Open(job);
                var (id, text) = (job.Lease.JobId, new System.Text.StringBuilder());
                for (var piece = 0; piece < 20; piece++)
                {
                    var words = $"{id:N} {piece} ";
                    text.Append(words);
                    running.AppendText(words);
                    await Task.Yield();
                }

                Assert.True(await running.EndAsync(AttemptEnd.Succeeded(text.ToString())));
            })
        );

        foreach (var id in ids)
        {
            var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
            Assert.Equal(job!.Output!.Text, Fold(await Core.EventsAsync(id)));
        }
    }

    [Fact]
    public async Task A_write_whose_reply_was_lost_is_recognised_and_not_made_twice()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        var statement = new WriteLeasedJobs(Core.Get<IJobStore>());
        var delta = new PendingEvent(JobEventKind.Delta, JobEventPayload.Of(new DeltaEvent(1, "once")));
        LeasedWrite[] writes = [new LeasedWrite(running, running.LastSeq, [delta], null)];
        Assert.Contains(id, await statement.RunAsync(writes, mayHaveBeenApplied: false));

        Assert.Contains(id, await statement.RunAsync(writes, mayHaveBeenApplied: true));
        Assert.DoesNotContain(id, await statement.RunAsync(writes, mayHaveBeenApplied: false));

        Assert.Equal("once", Fold(await Core.EventsAsync(id)));
    }

    private static string Fold(IEnumerable<(int Seq, JobEventKind Kind, string Data)> events)
    {
        var text = "";
        foreach (var (_, kind, data) in events)
        {
            text = kind switch
            {
                JobEventKind.Delta => text
                    + System.Text.Json.JsonSerializer.Deserialize(data, ApiContracts.WireJson.Default.DeltaEvent)!.Text,
                JobEventKind.Reset => "",
                _ => text,
            };
        }

        return text;
    }
}
