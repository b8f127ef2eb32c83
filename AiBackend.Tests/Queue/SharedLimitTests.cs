using AiBackend.Core.Controls;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Limits;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Queue;

/// <summary>What a provider allows is shared as slots are: no tenant's heap of work is in the way of another's.</summary>
public sealed partial class SharedLimitTests(PostgresServer postgres, RedisServer redis)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>
{
    private const string Reason = "rate_limit:p0/sim:requests_per_minute";

    private readonly Guid _large = Guid.CreateVersion7();
    private readonly Guid _small = Guid.CreateVersion7();

    [Fact]
    public async Task P_13_who_comes_after_another_tenant_s_heap_of_work_does_not_wait_behind_it()
    {
        await AllowAsync(4);
        await HoldAsync(_large, 5000);
        await HoldAsync(_small, 1, due: "10 hours");

        Assert.Equal(4, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal((3, 1), (await DueAsync(_large), await DueAsync(_small)));
        // They are on their way: no more until their calls are made.
        Assert.Equal(0, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task P_13_tenants_share_a_limit_by_the_weight_of_their_tiers_also_where_one_goes_at_a_time()
    {
        await AllowAsync(1);
        await TenantAsync(_small, "premium");
        await HoldAsync(_large, 100);
        await HoldAsync(_small, 100);
        var gone = new Dictionary<Guid, int> { [_large] = 0, [_small] = 0 };

        for (var look = 0; look < 20; look++)
        {
            Assert.Equal(1, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));
            foreach (var tenant in gone.Keys)
            {
                gone[tenant] += await DueAsync(tenant);
            }

            await Core.ExecuteAsync("DELETE FROM jobs WHERE due_at <= now()", Guid.Empty);
        }

        Assert.Equal((4, 16), (gone[_large], gone[_small]));
    }

    [Fact]
    public async Task I_16_what_has_waited_too_long_has_its_turns_under_a_limit_too()
    {
        await AllowAsync(8);
        await HoldAsync(_large, 100, priority: 0);
        // More than are seen at once, and those that have waited for longest were put off for longest.
        await HoldAsync(_small, 50, priority: 2, since: "10 minutes", due: "2 hours");

        Assert.Equal(8, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal((6, 2), (await DueAsync(_large), await DueAsync(_small)));
    }

    [Fact]
    public async Task I_16_who_was_let_go_on_has_waited_since_the_limit_stopped_him()
    {
        await HoldAsync(_small, 1, since: "10 minutes", due: "-1 second");
        await Core.ExecuteAsync("UPDATE jobs SET status = 1", Guid.Empty);

        var heads = await Core.Get<IQueuedJobs>()
            .ReadHeadsAsync(new(All: true, TimeSpan.Zero, 10, new Dictionary<JobKind, int>(), []), TestRun.Cancel);

        Assert.InRange(Assert.Single(heads.Jobs).Waited, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(11));
    }

    [Fact]
    public async Task Nobody_is_due_by_himself_past_those_whose_turn_it_is()
    {
        await AllowAsync(0);
        await HoldAsync(_small, 1, due: "10 minutes");
        // Plans are made once.
        Assert.Equal(0, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));
        await HoldAsync(_large, 1);

        // Where the look comes too late it is due already, and made to come once more.
        var dueIn = await Eventually.GetAsync(
            async token =>
            {
                await Core.ExecuteAsync("UPDATE jobs SET due_at = now() + interval '900 milliseconds' WHERE tenant_id = @id", _large);
                Assert.Equal(0, await Core.Get<ReleaseLimitedJobs>().RunAsync(token));
                return await DueInAsync(_large);
            },
            seconds => seconds > 1,
            "it comes later"
        );

        Assert.InRange(dueIn, 20, 31);
        Assert.InRange(await DueInAsync(_small), 60, 600);
    }

    [Fact]
    public async Task Without_a_limit_any_more_whoever_waits_for_one_is_due_by_himself()
    {
        await AllowAsync(null);
        await HoldAsync(_large, 1, due: "500 milliseconds");

        Assert.Equal(0, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));

        Assert.InRange(await DueInAsync(_large), -10, 0.5);
    }

    [Fact]
    public async Task Whoever_was_let_go_on_and_does_not_go_is_in_nobodys_way()
    {
        await AllowAsync(3);
        await HoldAsync(_large, 20, due: "-1 minute");
        await HoldAsync(_small, 5);
        await HoldAsync(_small, 2, priority: 0, due: "-1 second");

        // Two of three places are for those on their way.
        Assert.Equal(1, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));
        await HoldAsync(_large, 20, priority: 2, due: "-1 second");
        Assert.Equal(0, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task What_an_operator_holds_back_is_not_let_go_on_in_place_of_others()
    {
        await AllowAsync(4);
        await HoldAsync(_large, 20);
        await HoldAsync(_small, 20);
        await TenantAsync(_large, "premium");
        await Core.Get<HoldWork>().HoldAsync(new(ControlKind.Tenant, "premium"), ControlMode.Paused, null, "key", TestRun.Cancel);

        Assert.Equal(4, await Core.Get<ReleaseLimitedJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal((0, 4), (await DueAsync(_large), await DueAsync(_small)));
    }

    private Task AllowAsync(int? requests) =>
        Core.ExecuteAsync(
            $"SELECT call_window('p0/sim', 3600000); UPDATE call_windows SET max_requests = {requests?.ToString(Invariant) ?? "NULL"}",
            Guid.Empty
        );

    private Task TenantAsync(Guid id, string tier) =>
        Core.ExecuteAsync($"INSERT INTO tenants (id, slug, tier) VALUES (@id, '{tier}', '{tier}')", id);

    /// <summary>Jobs that were refused, one after the other; none is due by itself before the test is over.</summary>
    private Task HoldAsync(Guid tenant, int count, int priority = 1, string since = "0", string? due = null) =>
        Core.ExecuteAsync(
            $"""
            INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq, waiting_reason, limited_since, due_at)
            SELECT encode(substring(uuid_send(first_job_id(now())) FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
                   @id, 1, 5, {priority.ToString(Invariant)}, 'default', 3, 1, '{Reason}', now() - interval '{since}',
                   now() + {(due is null ? "interval '1 hour' + n * interval '6 seconds'" : $"interval '{due}'")}
              FROM generate_series(1, {count.ToString(Invariant)}) n
            """,
            tenant
        );

    private Task<int> DueAsync(Guid tenant) =>
        Core.ScalarAsync<int>($"SELECT count(*) FROM jobs WHERE tenant_id = '{tenant}' AND due_at <= now()");

    private Task<double> DueInAsync(Guid tenant) =>
        Core.ScalarAsync<double>($"SELECT extract(epoch FROM due_at - now())::float8 FROM jobs WHERE tenant_id = '{tenant}'");

    private static IFormatProvider Invariant => System.Globalization.CultureInfo.InvariantCulture;
}
