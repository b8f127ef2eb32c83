using System.Globalization;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Queue;

/// <summary>The stream follows the slots of living workers.</summary>
public sealed class SlotCreditTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private const string Kept = "aib:{default}:kept";

    private readonly RedisServer _redis = redis;

    protected override IEnumerable<(string Key, string Value)> HostSettings => PatientRedis;

    private IReadyQueue Queue => Core.Get<IReadyQueue>();

    private DispatchBacklog Dispatch => Core.Get<DispatchBacklog>();

    [Fact]
    public async Task No_more_jobs_are_on_their_way_than_there_are_slots_and_a_free_slot_calls_the_dispatcher()
    {
        var calls = new SemaphoreSlim(0);
        await Core.Get<IRedisChannels>().SubscribeAsync(Queue.RoomChannel, _ => calls.Release());
        var worker = Guid.CreateVersion7();
        await BeatAsync(worker, slots: 2);
        await StartAsync(worker.ToString("N"));
        var ids = await SubmitAsync(4);
        await Dispatch.RunAsync(TestRun.Cancel);
        var entries = await Queue.ReadAsync(worker.ToString("N"), 10);
        Assert.Equal(ids.Take(2), entries.Select(entry => entry.JobId).Order());

        await Dispatch.RunAsync(TestRun.Cancel);
        Assert.Empty((await Queue.LookAsync()).Unread);
        while (calls.Wait(0, TestRun.Cancel)) { }
        // Also the other one: what nobody has claimed for seconds is offered again.
        await Core.ClaimAsync(entries[1].JobId);
        await Core.ClaimAsync(entries[0].JobId);
        await Queue.AcknowledgeAsync([entries[0].EntryId]);
        Assert.True(await calls.WaitAsync(TimeSpan.FromSeconds(10), TestRun.Cancel), "The dispatcher was not called.");
        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Equal(ids[2], Assert.Single(await Queue.ReadAsync(worker.ToString("N"), 10)).JobId);
    }

    [Fact]
    public async Task A_new_job_goes_straight_to_a_free_slot_and_to_the_backlog_when_there_is_none()
    {
        await BeatAsync(Guid.CreateVersion7(), slots: 1);
        await StartAsync("w");
        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Equal(1, await Queue.OfferNewAsync([Guid.CreateVersion7()]));
        Assert.Single(await Queue.ReadAsync("w", 10));
        Assert.Equal(0, await Queue.OfferNewAsync([Guid.CreateVersion7()]));
        Assert.True(await Queue.HasBacklogAsync());
    }

    [Fact]
    public async Task Jobs_of_a_worker_that_drains_or_died_take_no_slot_of_the_others()
    {
        var gone = Guid.CreateVersion7();
        await BeatAsync(gone, slots: 3);
        await BeatAsync(Guid.CreateVersion7(), slots: 1);
        await StartAsync(gone.ToString("N"));
        var ids = await SubmitAsync(5);
        await Dispatch.RunAsync(TestRun.Cancel);
        Assert.Equal(4, (await Queue.ReadAsync(gone.ToString("N"), 4)).Count);
        await Core.ExecuteAsync("UPDATE workers SET draining = true WHERE id = @id", gone);
        await using var successor = await CoreHost.StartAsync(Db.ConnectionString, _redis.ConnectionString);

        await successor.Get<DispatchBacklog>().RunAsync(TestRun.Cancel);

        // What the one that is gone had read is nobody's business; the other one's only slot is free.
        Assert.Single((await Queue.LookAsync()).Unread);
        Assert.True((await Queue.LookAsync()).Unread.IsSubsetOf(ids));
    }

    [Fact]
    public async Task A_job_that_runs_for_long_keeps_its_slot_and_what_its_worker_never_heard_of_does_not()
    {
        var worker = Guid.CreateVersion7();
        await BeatAsync(worker, slots: 2);
        await StartAsync(worker.ToString("N"));
        var ids = await SubmitAsync(3);
        await Dispatch.RunAsync(TestRun.Cancel);
        Assert.Equal(2, (await Queue.ReadAsync(worker.ToString("N"), 10)).Count);
        await Core.ClaimAsync(ids[0], worker);

        await Core.Get<DropStaleEntries>().RunAsync(TimeSpan.Zero, TestRun.Cancel);

        // One slot is held by the job that runs; the reply with the other entry was lost.
        Assert.Equal(1, (await Queue.LookAsync()).InFlight);
        await Core.ExecuteAsync("UPDATE jobs SET worker_id = gen_random_uuid() WHERE id = @id", ids[0]);
        await Core.Get<DropStaleEntries>().RunAsync(TimeSpan.Zero, TestRun.Cancel);
        Assert.Equal(0, (await Queue.LookAsync()).InFlight);
    }

    [Fact]
    public async Task Slots_that_are_kept_for_a_tenant_are_left_to_it_by_the_line()
    {
        var quiet = await ReserveAsync(3);
        var worker = Guid.CreateVersion7();
        await BeatAsync(worker, slots: 6);
        await StartAsync(worker.ToString("N"));
        var loud = await SubmitAsync(5);
        await Dispatch.RunAsync(TestRun.Cancel);
        Assert.Equal(loud.Take(3), (await Queue.ReadAsync(worker.ToString("N"), 10)).Select(entry => entry.JobId).Order());
        foreach (var id in loud.Take(3))
        {
            await Core.ClaimAsync(id, worker);
        }

        var own = await SubmitAsync(4, quiet);
        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Equal(own.Take(3), (await Queue.LookAsync()).Unread.Order());
    }

    [Fact]
    public async Task A_new_job_goes_past_those_who_wait_to_a_slot_that_is_kept_for_its_tenant_and_to_no_more()
    {
        var (quiet, worker, _) = await FillAllButKeptAsync();
        Assert.True(await Queue.HasBacklogAsync());
        var own = Enumerable.Range(0, 3).Select(_ => Guid.CreateVersion7()).Order().Select(id => new NewJob(id, quiet)).ToList();

        Assert.Equal(0, await Queue.OfferNewAsync([new NewJob(Guid.CreateVersion7(), Guid.CreateVersion7())]));
        Assert.Equal(2, await Queue.OfferNewAsync(own[..2]));

        Assert.Equal(own.Take(2).Select(job => job.Id), (await Queue.LookAsync()).Unread.Order());
        Assert.True(await Queue.HasBacklogAsync());
        await Queue.AcknowledgeAsync([(await Queue.ReadAsync(worker.ToString("N"), 1))[0].EntryId]);
        Assert.Equal(1, await Queue.OfferNewAsync(own[2..]));
    }

    [Fact]
    public async Task A_new_job_does_not_go_past_those_of_its_own_tenant()
    {
        var (quiet, worker, _) = await FillAllButKeptAsync();
        Assert.Equal(2, await Queue.OfferNewAsync([.. Enumerable.Range(0, 3).Select(_ => new NewJob(Guid.CreateVersion7(), quiet))]));
        await Queue.AcknowledgeAsync([(await Queue.ReadAsync(worker.ToString("N"), 1))[0].EntryId]);

        Assert.Equal(0, await Queue.OfferNewAsync([new NewJob(Guid.CreateVersion7(), quiet)]));
    }

    [Fact]
    public async Task The_dispatcher_knows_of_jobs_that_went_past_the_line_before_they_are_claimed()
    {
        var (quiet, worker, loud) = await FillAllButKeptAsync();
        var own = await SubmitAsync(2, quiet);
        await Eventually.TrueAsync(async _ => (await Queue.LookAsync()).Unread.SetEquals(own), "they go past the line");
        Assert.Equal(own, (await Queue.ReadAsync(worker.ToString("N"), 10)).Select(entry => entry.JobId).Order());
        foreach (var entry in loud)
        {
            await Core.ClaimAsync(entry.JobId, worker);
        }

        await Queue.AcknowledgeAsync([.. loud.Select(entry => entry.EntryId)]);
        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Empty((await Queue.LookAsync()).Unread.Intersect(own));
        Assert.Equal(0L, (long)await Core.Get<RedisConnection>().ExecuteAsync("HGET", Kept, "together"));
    }

    [Fact]
    public async Task What_was_kept_for_a_tenant_is_forgotten_with_the_dispatcher_that_kept_it()
    {
        var quiet = await ReserveAsync(2);
        await BeatAsync(Guid.CreateVersion7(), slots: 6);
        await StartAsync("w");
        await SubmitAsync(9);
        await Dispatch.RunAsync(TestRun.Cancel);
        Assert.InRange((long)await Core.Get<RedisConnection>().ExecuteAsync("PTTL", Kept), 0, 3000);

        await Core.Get<RedisConnection>().ExecuteAsync("DEL", Kept);

        Assert.Equal(0, await Queue.OfferNewAsync([new NewJob(Guid.CreateVersion7(), quiet)]));
    }

    [Fact]
    public async Task Slots_that_are_kept_for_a_tenant_are_left_to_it_by_the_way_past_the_line()
    {
        await ReserveAsync(3);
        await BeatAsync(Guid.CreateVersion7(), slots: 6);
        await StartAsync("w");
        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Equal(3, await Queue.OfferNewAsync([.. Enumerable.Range(0, 5).Select(_ => Guid.CreateVersion7())]));
    }

    [Fact]
    public async Task While_nobody_dispatches_workers_know_it()
    {
        Assert.False(await Queue.IsGuidedAsync());

        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.True(await Queue.IsGuidedAsync());
        await Eventually.TrueAsync(async _ => !await Queue.IsGuidedAsync(), "the word of a dispatcher that is gone runs out");
    }

    /// <summary>A worker with six slots, of which others' jobs hold four while more of them wait, and two are kept.</summary>
    private async Task<(Guid Quiet, Guid Worker, IReadOnlyList<ReadyEntry> Loud)> FillAllButKeptAsync()
    {
        var quiet = await ReserveAsync(2);
        var worker = Guid.CreateVersion7();
        await BeatAsync(worker, slots: 6);
        await StartAsync(worker.ToString("N"));
        await SubmitAsync(9);
        await Dispatch.RunAsync(TestRun.Cancel);
        // It holds for three seconds, and a dispatcher says it again every second; the test says it once.
        await Core.Get<RedisConnection>().ExecuteAsync("PERSIST", Kept);
        var loud = await Queue.ReadAsync(worker.ToString("N"), 10);
        Assert.Equal(4, loud.Count);
        return (quiet, worker, loud);
    }

    private async Task<Guid> ReserveAsync(int slots)
    {
        var tenant = Guid.CreateVersion7();
        await Core.ExecuteAsync(
            string.Create(CultureInfo.InvariantCulture, $"INSERT INTO tenants (id, slug, reserved_slots) VALUES (@id, @id::text, {slots})"),
            tenant
        );
        return tenant;
    }

    /// <summary>A backlog, so that the dispatcher decides.</summary>
    private async Task<List<Guid>> SubmitAsync(int count, Guid? tenant = null)
    {
        await Queue.NoteBacklogAsync();
        var ids = new List<Guid>();
        for (var i = 0; i < count; i++)
        {
            ids.Add(await Core.SubmitAsync(CoreHost.Draft() with { TenantId = tenant ?? ApiKeyStore.DefaultTenant }));
        }

        return ids;
    }

    /// <summary>The first read finds no group and creates it.</summary>
    private Task<IReadOnlyList<ReadyEntry>> StartAsync(string consumer) => Queue.ReadAsync(consumer, 1);

    private Task<IReadOnlyDictionary<Guid, bool>> BeatAsync(Guid worker, int slots) =>
        Core.Get<IJobStore>()
            .RenewAsync(new WorkerHeartbeat(worker, "test", slots, 0, 0, false, slots), [], CoreHost.Lease, TestRun.Cancel);
}
