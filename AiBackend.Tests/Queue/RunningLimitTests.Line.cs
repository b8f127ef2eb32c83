using AiBackend.Core.Controls;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Queue;

// Who goes next, and what stands in nobody's way.
public sealed partial class RunningLimitTests
{
    [Fact]
    public async Task D_13_a_newcomer_waits_behind_those_who_wait_and_the_urgent_before_them()
    {
        await LimitAsync("key", 1);
        var first = await Core.ClaimAsync((await SubmitAsync(1))[0]);
        var waiting = (await SubmitAsync(1))[0];
        Assert.Empty(await ClaimAsync(waiting));

        await first.EndAsync(AttemptEnd.Succeeded("text"));

        // The leader has not looked yet.
        Assert.Empty(await ClaimAsync([.. await SubmitAsync(1)]));
        var urgent = await Core.ClaimAsync((await SubmitAsync(1, JobPriority.Interactive))[0]);
        Assert.Equal(0, await ReleaseAsync());
        await urgent.EndAsync(AttemptEnd.Succeeded("text"));
        Assert.Equal(1, await ReleaseAsync());
        // The place is that of the one who was let go on, also from the urgent; it waits in front of the others then.
        var late = (await SubmitAsync(1, JobPriority.Interactive))[0];
        Assert.Empty(await ClaimAsync(late));
        var second = await Core.ClaimAsync(waiting);
        await second.EndAsync(AttemptEnd.Succeeded("text"));
        Assert.Equal(1, await ReleaseAsync());
        Assert.Equal([late], await IdsAsync("status = 1"));
    }

    [Fact]
    public async Task D_13_who_waits_comes_back_when_the_leader_says_so_and_not_before()
    {
        await LimitAsync("tenant", 1);
        await ClaimAsync([.. await SubmitAsync(3)]);

        Assert.Equal(2, await CountAsync("status = 5 AND due_at > now() + interval '23 hours'"));
        Assert.Equal(2, await Core.ScalarAsync<int>("SELECT count(DISTINCT due_at) FROM jobs WHERE status = 5"));
    }

    [Fact]
    public async Task D_13_what_an_operator_holds_back_takes_no_place_in_the_line_and_keeps_its_own()
    {
        await LimitAsync("key", 1);
        var first = await Core.ClaimAsync((await SubmitAsync(1))[0]);
        var ids = await SubmitAsync(3);
        await ClaimAsync([.. ids]);
        await Core.ExecuteAsync("UPDATE jobs SET model = 'paused' WHERE id = @id", ids[0]);
        await Core.ExecuteAsync("UPDATE jobs SET pool = 'paused' WHERE id = @id", ids[1]);
        await HoldAsync(ControlKind.Model);
        await HoldAsync(ControlKind.Queue);
        await first.EndAsync(AttemptEnd.Succeeded("text"));

        // Also for the claim of a newcomer, before the leader's look; who is behind the third waits.
        Assert.Empty(await ClaimAsync([.. await SubmitAsync(1)]));
        Assert.Equal(1, await ReleaseAsync());

        Assert.Equal(ids, await IdsAsync("status = 1"));
        var third = Assert.Single(await ClaimAsync([.. ids]));
        Assert.Equal(ids[2], third.Lease.JobId);
        await Core.Get<HoldWork>().ResumeAsync(new(ControlKind.Model, "paused"), "key", TestRun.Cancel);
        using var running = Core.Writes.Open(third);
        await running.EndAsync(AttemptEnd.Succeeded("text"));
        Assert.Equal(ids[0], Assert.Single(await ClaimAsync(ids[0])).Lease.JobId);
    }

    [Fact]
    public async Task D_13_a_newcomer_passes_those_whom_an_operator_holds_back()
    {
        await LimitAsync("tenant", 1);
        var first = await Core.ClaimAsync((await SubmitAsync(1))[0]);
        var held = (await SubmitAsync(1))[0];
        await ClaimAsync(held);
        await Core.ExecuteAsync("UPDATE jobs SET model = 'paused' WHERE id = @id", held);
        await HoldAsync(ControlKind.Model);
        await first.EndAsync(AttemptEnd.Succeeded("text"));

        Assert.Single(await ClaimAsync([.. await SubmitAsync(1)]));
    }

    [Fact]
    public async Task D_13_what_the_claim_refuses_takes_no_room_and_is_not_put_off()
    {
        await LimitAsync("tenant", 1);
        var ids = await SubmitAsync(6);
        string[] changes =
        [
            "pool = 'other'",
            "deadline = now() - interval '1 second'",
            "crash_count = 2",
            "type = 99",
            "model = 'paused'",
            "cancel_requested = false",
        ];
        foreach (var (id, change) in ids.Zip(changes))
        {
            await Core.ExecuteAsync($"UPDATE jobs SET {change} WHERE id = @id", id);
        }

        await HoldAsync(ControlKind.Model);

        Assert.Equal(ids[^1], Assert.Single(await ClaimAsync([.. ids])).Lease.JobId);
        Assert.Equal(0, await CountAsync("status = 5"));
        Assert.Empty(await ClaimAsync([.. ids]));
        Assert.Equal(0, await CountAsync("status = 5"));
    }

    [Fact]
    public async Task D_13_a_job_with_a_turn_at_a_deployment_has_it_still_when_it_goes_on()
    {
        await LimitAsync("key", 1);
        var first = await Core.ClaimAsync((await SubmitAsync(1))[0]);
        var waiting = (await SubmitAsync(1))[0];
        await Core.ExecuteAsync("UPDATE jobs SET waiting_reason = 'rate_limit:openai/gpt:requests' WHERE id = @id", waiting);
        await ClaimAsync(waiting);
        Assert.Equal(1, await CountAsync("waiting_reason = 'running_limit:key'"));
        await first.EndAsync(AttemptEnd.Succeeded("text"));

        Assert.Equal(1, await ReleaseAsync());

        Assert.Equal("openai/gpt", Assert.Single(await ClaimAsync(waiting)).TurnAt);
    }

    [Fact]
    public async Task D_13_those_who_gave_up_waiting_are_passed_over_and_cleared_away_whether_there_is_room_or_not()
    {
        await LimitAsync("key", 1);
        var first = await Core.ClaimAsync((await SubmitAsync(1))[0]);
        await ClaimAsync([.. await SubmitAsync(1)]);
        await AddGoneAsync();

        Assert.Equal(0, await ReleaseAsync());

        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_over_limit"));
        await AddGoneAsync();
        await first.EndAsync(AttemptEnd.Succeeded("text"));
        Assert.Equal(1, await ReleaseAsync());

        Task AddGoneAsync() =>
            Core.ExecuteAsync(
                $"""
                INSERT INTO jobs_over_limit (job_id, tenant_id, subject, priority)
                SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, @id, 'key:{Key}', 0 FROM generate_series(1, 3000) i
                """,
                ApiKeyStore.DefaultTenant
            );
    }

    [Fact]
    public async Task D_13_who_reads_live_is_told_that_a_job_waits()
    {
        await LimitAsync("key", 1);
        var ids = await SubmitAsync(2);
        var told = new Told();

        await new ClaimJobs(Core.Get<IJobStore>(), told, Core.Get<JobMetrics>()).RunAsync(
            Core.WorkerId,
            ids,
            CoreHost.Lease,
            TestRun.Cancel
        );

        Assert.Equal(ids, told.Events.Select(record => record.JobId));
        var stored = (await Core.EventsAsync(ids[1]))[^1];
        Assert.Equal(
            (stored.Seq, stored.Kind, stored.Data),
            (told.Events[1].Seq, told.Events[1].Kind, System.Text.Encoding.UTF8.GetString(told.Events[1].Data.Span))
        );
        Assert.Contains("running_limit:key", stored.Data, StringComparison.Ordinal);
    }

    [Fact]
    public async Task D_13_where_nobody_has_such_a_limit_a_claim_reads_neither_all_tenants_nor_all_keys()
    {
        // Nobody has analysed the columns.
        await Core.ExecuteAsync(
            """
            ALTER TABLE tenants DISABLE TRIGGER audit;
            ALTER TABLE api_keys DISABLE TRIGGER audit;
            INSERT INTO tenants (id, slug, organisation_id) SELECT gen_random_uuid(), 'many-' || i, @id FROM generate_series(1, 20000) i;
            INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes) SELECT 'many' || i, @id, 'k', '', '{}' FROM generate_series(1, 20000) i
            """,
            ApiKeyStore.DefaultTenant
        );

        await using var connection = await Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using var batch = connection.CreateBatch();
        batch.BatchCommands.Add(new("SELECT claimable(ARRAY[gen_random_uuid()], ARRAY[0]::smallint[], 1::smallint, false, 'default')"));
        batch.BatchCommands.Add(new("SELECT sum(seq_scan)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('tenants', 'api_keys')"));
        await using var reader = await batch.ExecuteReaderAsync(TestRun.Cancel);
        Assert.True(await reader.ReadAsync(TestRun.Cancel));
        Assert.True(await reader.NextResultAsync(TestRun.Cancel));
        Assert.True(await reader.ReadAsync(TestRun.Cancel));
        Assert.Equal(0, reader.GetInt64(0));
    }

    [Fact]
    public async Task D_13_of_what_runs_no_more_is_counted_than_matters()
    {
        await LimitAsync("key", 3);
        await ClaimAsync([.. await SubmitAsync(3)]);

        Assert.Equal(3, await Core.ScalarAsync<int>($"SELECT count_running('key:{Key}', 9)"));
        Assert.Equal(2, await Core.ScalarAsync<int>($"SELECT count_running('key:{Key}', 2)"));
        Assert.Equal(2, await Core.ScalarAsync<int>($"SELECT count_running('tenant:{ApiKeyStore.DefaultTenant}', 2)"));
    }

    private async Task HoldAsync(ControlKind kind) =>
        Assert.NotNull(await Core.Get<HoldWork>().HoldAsync(new(kind, "paused"), ControlMode.Paused, null, "key", TestRun.Cancel));

    private sealed class Told : IJobSignals
    {
        public List<JobEventRecord> Events { get; } = [];

        public void Submitted(IReadOnlyList<NewJob> jobs) { }

        public void Queued(IReadOnlyList<Guid> jobIds) { }

        public void Committed(IReadOnlyList<JobEventRecord> events) => Events.AddRange(events.OrderBy(record => record.JobId));

        public void CancelRequested(Guid jobId) { }
    }
}
