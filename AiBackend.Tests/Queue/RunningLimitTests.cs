using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Limits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Queue;

/// <summary>Of a key, and of a tenant, never more jobs run than may; the others wait and are not refused.</summary>
public sealed partial class RunningLimitTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Most = 3;
    private const string Key = "limited0";

    [Theory]
    [InlineData("tenant")]
    [InlineData("key")]
    public async Task D_13_of_64_claims_at_once_no_more_win_than_may_run_and_the_others_wait(string whose)
    {
        await LimitAsync(whose, Most);
        var ids = await SubmitAsync(64);

        var claims = await Task.WhenAll(
            ids.Select(id => ClaimAsync(id)).Concat(Enumerable.Range(0, 8).Select(turn => ClaimAsync([.. ids.Skip(8 * turn).Take(16)])))
        );

        Assert.Equal(Most, claims.Sum(claim => claim.Count));
        Assert.Equal(
            (Most, 64 - Most),
            (await CountAsync("status = 2"), await CountAsync($"status = 5 AND waiting_reason = 'running_limit:{whose}'"))
        );
        Assert.Equal(64 - Most, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_over_limit WHERE released_at IS NULL"));
        var waiting = ids.First(id => !claims.SelectMany(claim => claim).Any(job => job.Lease.JobId == id));
        Assert.Equal(
            $$"""{"status":"retrying","attempt":0,"waiting_reason":"running_limit:{{whose}}"}""",
            (await Core.EventsAsync(waiting))[^1].Data
        );
        Assert.Equal($"running_limit:{whose}", (await Core.Reads.FindAsync(waiting, TestRun.Cancel))!.Queue!.WaitingReason);
    }

    [Fact]
    public async Task D_13_whoever_ends_lets_the_next_go_on_the_urgent_first_and_no_more_than_one()
    {
        await LimitAsync("key", 1);
        var first = await Core.ClaimAsync((await SubmitAsync(1))[0]);
        var (old, urgent) = ((await SubmitAsync(2))[0], (await SubmitAsync(1, JobPriority.Interactive))[0]);
        await ClaimAsync([.. await IdsAsync("status = 1")]);
        Assert.Equal(0, await ReleaseAsync());

        await first.EndAsync(AttemptEnd.Succeeded("text"));

        Assert.Equal(1, await ReleaseAsync());
        // Not claimed yet, it counts.
        Assert.Equal(0, await ReleaseAsync());
        Assert.Equal([urgent], await IdsAsync("status = 1"));
        var second = await Core.ClaimAsync(urgent);
        Assert.Equal(0, await ReleaseAsync());
        // Whoever gave up waiting is in nobody's way.
        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, old, TestRun.Cancel);
        await second.EndAsync(AttemptEnd.Succeeded("text"));
        Assert.Equal(1, await ReleaseAsync());
        Assert.DoesNotContain(old, await IdsAsync("status = 1"));
    }

    [Fact]
    public async Task D_13_a_limit_keeps_nobody_elses_jobs_and_one_that_is_taken_away_keeps_none()
    {
        await LimitAsync("key", 1);
        var limited = await SubmitAsync(5);
        var free = await SubmitAsync(5, key: "another0");

        var claimed = await ClaimAsync([.. limited, .. free]);

        Assert.Equal(free.Append(limited[0]).Order(), claimed.Select(job => job.Lease.JobId).Order());
        await ExecuteAsync("UPDATE api_keys SET max_running = NULL");
        Assert.Equal(4, await ReleaseAsync());
        Assert.Equal(4, (await ClaimAsync([.. limited])).Count);
        Assert.Equal(0, await ReleaseAsync());
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_over_limit"));
    }

    [Fact]
    public async Task D_13_of_a_key_and_its_tenant_the_narrower_limit_holds()
    {
        await LimitAsync("key", 4);
        await LimitAsync("tenant", 2);
        var ids = await SubmitAsync(6);

        Assert.Equal(2, (await ClaimAsync([.. ids])).Count);
        await ExecuteAsync("UPDATE tenants SET max_running = 5");

        Assert.Equal(3, await ReleaseAsync());
        Assert.Equal(2, (await ClaimAsync([.. ids])).Count);
        Assert.Equal(1, await CountAsync("status = 5 AND waiting_reason = 'running_limit:key'"));
    }

    [Fact]
    public async Task D_13_a_worker_with_free_slots_runs_no_more_than_may_and_in_the_end_all()
    {
        const int Jobs = 8;
        await LimitAsync("tenant", 2);
        var model = await simulator.ModelAsync(new { output_tokens = 3, ttft_ms = 150 });
        await using var worker = await WorkerUnderTest.StartAsync(Db, RedisServer, (simulator.Address, model));
        await SubmitAsync(Jobs);
        var most = 0;

        await Eventually.TrueAsync(
            async _ =>
            {
                most = Math.Max(most, await CountAsync("status = 2"));
                return await CountAsync("status = 6") == Jobs;
            },
            "all have ended",
            TimeSpan.FromSeconds(30)
        );

        Assert.InRange(most, 1, 2);
        Assert.Equal(Jobs, await Core.ScalarAsync<int>("SELECT count(*) FROM job_attempts"));
    }

    private async Task LimitAsync(string whose, int most)
    {
        if (whose == "tenant")
        {
            await ExecuteAsync($"UPDATE tenants SET max_running = {most} WHERE slug = 'default'");
        }
        else
        {
            await Core.ExecuteAsync(
                $"INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes, max_running) VALUES ('{Key}', @id, 'k', '', '{{}}', {most})",
                ApiKeyStore.DefaultTenant
            );
        }
    }

    private async Task<List<Guid>> SubmitAsync(int count, JobPriority priority = JobPriority.Standard, string key = Key)
    {
        var ids = new List<Guid>();
        for (var i = 0; i < count; i++)
        {
            ids.Add(await Core.SubmitAsync(CoreHost.Draft() with { KeyId = key, Priority = priority }));
        }

        return ids;
    }

    private Task<IReadOnlyList<ClaimedJob>> ClaimAsync(params Guid[] ids) =>
        Task.Run(() => Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, ids, CoreHost.Lease, TestRun.Cancel));

    private async Task<long> ReleaseAsync()
    {
        var released = await Core.Get<ReleaseRunningLimits>().RunAsync(TestRun.Cancel);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        return released;
    }

    private Task<int> CountAsync(string which) => Core.ScalarAsync<int>($"SELECT count(*) FROM jobs WHERE {which}");

    private async Task<IReadOnlyList<Guid>> IdsAsync(string which)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = Db.Source.CreateCommand($"SELECT id FROM jobs WHERE {which} ORDER BY id");
#pragma warning restore CA2100
        return await AiBackend.Core.Database.Rows.ReadAllAsync(command, row => row.GetGuid(0), TestRun.Cancel);
    }

    private Task ExecuteAsync(string sql) => Core.ExecuteAsync(sql, Guid.Empty);
}
