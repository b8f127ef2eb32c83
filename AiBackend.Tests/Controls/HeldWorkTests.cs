using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Controls;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Controls;

/// <summary>What is paused is accepted and not started, whichever way it comes to a worker.</summary>
public sealed class HeldWorkTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    public static TheoryData<ControlKind, string> Targets =>
        new()
        {
            { ControlKind.Queue, "default" },
            { ControlKind.Tenant, "default" },
            { ControlKind.Model, "default" },
        };

    private HoldWork Hold => Core.Get<HoldWork>();

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task A_paused_job_is_not_claimed_even_when_a_worker_has_heard_of_it_and_says_why_it_waits(ControlKind kind, string name)
    {
        var target = new ControlTarget(kind, name);
        var id = await Core.SubmitAsync();
        await PauseAsync(target);

        Assert.Empty(await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel));
        Assert.Empty(await FindAsync());
        Assert.Empty(await HeadsAsync());
        var reason = $"paused:{kind.ToWire()}/{name}";
        Assert.Equal(("queued", reason, (long?)null), Seen((await Core.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!));
        Assert.Equal(reason, Assert.Single(await ListAsync()).Queue!.WaitingReason);

        Assert.True(await Hold.ResumeAsync(target, "key", TestRun.Cancel));
        Assert.Equal([id], await FindAsync());
        Assert.Equal("capacity", Assert.Single(await ListAsync()).Queue!.WaitingReason);
        await Core.ClaimAsync(id);
    }

    [Fact]
    public async Task A_suspect_of_what_is_paused_does_not_run_alone_either()
    {
        var id = await Core.SubmitAsync();
        await Core.ExecuteAsync("UPDATE jobs SET crash_count = 2 WHERE id = @id", id);
        await PauseAsync(new(ControlKind.Model, "default"));
        var suspects = Core.Get<FindSuspects>();

        Assert.Empty(await suspects.RunAsync(10, TestRun.Cancel));
        Assert.Equal((0, 0), await suspects.CountAsync(TestRun.Cancel));
        Assert.Null(await Core.Get<ClaimJobs>().RunAloneAsync(Core.WorkerId, id, CoreHost.Lease, TestRun.Cancel));
    }

    [Fact]
    public async Task A_job_that_becomes_due_while_it_is_paused_waits_and_a_running_one_goes_on()
    {
        var running = await Core.ClaimAsync(await Core.SubmitAsync());
        var later = await Core.SubmitAsync(CoreHost.Draft() with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1) });
        await PauseAsync(new(ControlKind.Queue, "default"));
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", later);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(later));
        Assert.Empty(await FindAsync());
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("done")));
    }

    [Fact]
    public async Task A_paused_tenant_with_a_hundred_thousand_jobs_is_not_in_the_way_of_another()
    {
        var crowd = Guid.CreateVersion7();
        await Core.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, 'crowd')", crowd);
        await Core.ExecuteAsync(
            """
            SET statement_timeout = '2min';
            WITH filled AS (
                INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq)
                SELECT encode(substring(uuid_send(first_job_id(now())) FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
                       @id, 1, 1, 1, 'default', 3, 1
                  FROM generate_series(1, 100000) n
                RETURNING id, tenant_id
            )
            INSERT INTO job_payloads (job_id, tenant_id, schema_version, input) SELECT id, tenant_id, 1, '{}' FROM filled
            """,
            crowd
        );
        await PauseAsync(new(ControlKind.Tenant, "crowd"));
        var id = await Core.SubmitAsync();

        // What the fast path may have offered is not what is measured: only the look into the backlog.
        Assert.Equal([id], await HeadsAsync());
        Assert.Equal([id], await FindAsync());
        await Core.ClaimAsync(id);
    }

    [Fact]
    public async Task A_repeat_keeps_who_paused_it_first_and_another_mode_is_another_act()
    {
        var target = new ControlTarget(ControlKind.Model, "default");

        var first = await Hold.HoldAsync(target, ControlMode.Paused, "too dear", "one", TestRun.Cancel);
        var repeat = await Hold.HoldAsync(target, ControlMode.Paused, null, "two", TestRun.Cancel);
        var drain = await Hold.HoldAsync(target, ControlMode.Draining, null, "three", TestRun.Cancel);

        Assert.Equal(("one", "too dear", first!.SetAt), (repeat!.SetBy, repeat.Reason, repeat.SetAt));
        Assert.Equal(("three", null, ControlMode.Draining), (drain!.SetBy, drain.Reason, drain.Mode));
        Assert.Equal(ControlMode.Draining, Assert.Single(await Core.Get<ControlReads>().ListAsync(TestRun.Cancel)).Mode);
        Assert.True(await Hold.ResumeAsync(target, "four", TestRun.Cancel));
        Assert.False(await Hold.ResumeAsync(target, "five", TestRun.Cancel));
        Assert.Null(await Hold.HoldAsync(new(ControlKind.Tenant, "nobody"), ControlMode.Paused, null, "six", TestRun.Cancel));
    }

    private async Task PauseAsync(ControlTarget target) =>
        Assert.NotNull(await Hold.HoldAsync(target, ControlMode.Paused, null, "key", TestRun.Cancel));

    private async Task<IEnumerable<Guid>> HeadsAsync() =>
        (
            await Core.Get<IQueuedJobs>()
                .ReadHeadsAsync(new(All: true, TimeSpan.Zero, 100, new Dictionary<JobKind, int>(), []), TestRun.Cancel)
        ).Jobs.Select(job => job.Id);

    private Task<Guid[]> FindAsync() => Core.Get<IQueuedJobs>().FindAsync(10, TimeSpan.Zero, TestRun.Cancel);

    private Task<IReadOnlyList<Job>> ListAsync() =>
        Core.Reads.ListAsync(ApiKeyStore.DefaultTenant, new JobFilter { Limit = 10 }, TestRun.Cancel);

    private static (string Status, string? Reason, long? Position) Seen(Job job) =>
        (job.Status, job.Queue?.WaitingReason, job.Queue?.Position);
}
