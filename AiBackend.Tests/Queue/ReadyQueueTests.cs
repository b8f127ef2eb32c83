using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Queue;

public sealed class ReadyQueueTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private readonly RedisServer _redis = redis;

    protected override IEnumerable<(string Key, string Value)> HostSettings => PatientRedis;

    private IReadyQueue Queue => Core.Get<IReadyQueue>();

    private DispatchBacklog Dispatch => Core.Get<DispatchBacklog>();

    [Fact]
    public async Task A_submitted_job_reaches_exactly_one_consumer()
    {
        var id = await Core.SubmitAsync();

        var entry = Assert.Single(await ReadAllAsync("a"));

        Assert.Equal(id, entry.JobId);
        Assert.Empty(await Queue.ReadAsync("b", 10));
    }

    [Fact]
    public async Task An_acknowledged_entry_is_gone_from_the_stream()
    {
        await Core.SubmitAsync();
        var entry = Assert.Single(await ReadAllAsync("a"));

        await Queue.AcknowledgeAsync([entry.EntryId]);

        Assert.Equal(0, (long)await Core.Get<RedisConnection>().ExecuteAsync("XLEN", "aib:{default}:ready"));
    }

    [Fact]
    public async Task What_does_not_fit_waits_in_Postgres_and_comes_in_order_of_priority_then_age()
    {
        await CreateGroupAsync();
        var filling = Enumerable.Range(0, Queue.Limit).Select(_ => Guid.CreateVersion7()).ToList();
        Assert.Equal(Queue.Limit, await Queue.OfferNewAsync(filling));
        var batch = await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });
        var standard = await Core.SubmitAsync();
        var interactive = await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Interactive });
        await Eventually.TrueAsync(async _ => await Queue.HasBacklogAsync(), "the refused offer is noted as a backlog");
        await Dispatch.RunAsync(TestRun.Cancel);
        Assert.True(await Queue.HasBacklogAsync(), "Nothing fits yet.");

        await Queue.ReadAsync("a", Queue.Limit);
        await Dispatch.RunAsync(TestRun.Cancel);

        var next = await Queue.ReadAsync("a", 10);
        Assert.Equal([interactive, standard, batch], next.Select(entry => entry.JobId));
        Assert.True(await Queue.HasBacklogAsync(), "Somebody may have come during the look.");
        // By the next look, or, where seconds have passed since this one, by the one after it: somebody else may have led meanwhile.
        await Eventually.TrueAsync(
            async token =>
            {
                await Dispatch.RunAsync(token);
                return !await Queue.HasBacklogAsync();
            },
            "the way is open again"
        );
    }

    [Fact]
    public async Task I_16_what_has_waited_too_long_has_every_fourth_turn_oldest_first()
    {
        await CreateGroupAsync();
        await Queue.NoteBacklogAsync();
        var first = await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });
        var second = await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });
        var batch = await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });
        var urgent = new List<Guid>();
        for (var i = 0; i < 4; i++)
        {
            urgent.Add(await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Interactive }));
        }

        foreach (var id in (Guid[])[first, second])
        {
            await Core.ExecuteAsync("UPDATE jobs SET due_at = now() - interval '301 seconds' WHERE id = @id", id);
        }

        await Dispatch.RunAsync(TestRun.Cancel);

        var next = await Queue.ReadAsync("a", 10);
        Assert.Equal([first, .. urgent.Take(3), second, urgent[3], batch], next.Select(entry => entry.JobId));
    }

    [Fact]
    public async Task A_new_job_does_not_overtake_a_backlog()
    {
        await CreateGroupAsync();
        await Queue.NoteBacklogAsync();

        Assert.Equal(0, await Queue.OfferNewAsync([Guid.CreateVersion7()]));
        Assert.Equal(1, await Queue.OfferOrderedAsync([Guid.CreateVersion7()], null));
    }

    [Fact]
    public async Task F_12_after_FLUSHALL_the_group_is_created_again_and_every_queued_job_is_offered_again()
    {
        var ids = new List<Guid> { await Core.SubmitAsync(), await Core.SubmitAsync() };
        // Offers follow the commit on their own: one that arrives after the flush would be a second one.
        await WaitForOffersAsync(2);
        await Queue.ReadAsync("a", 1);
        await _redis.FlushAsync(TestRun.Cancel);
        foreach (var id in ids)
        {
            await Core.ExecuteAsync("UPDATE jobs SET due_at = now() - interval '6 seconds' WHERE id = @id", id);
        }

        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Equal(ids.Order(), (await ReadAllAsync("a")).Select(entry => entry.JobId).Order());
    }

    [Fact]
    public async Task A_job_that_waits_in_the_stream_is_not_offered_twice()
    {
        await CreateGroupAsync();
        var id = await Core.SubmitAsync();
        // Its own offer follows the commit: one that arrives after the look is a second one.
        await WaitForOffersAsync(1);
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() - interval '6 seconds' WHERE id = @id", id);

        await Dispatch.RunAsync(TestRun.Cancel);
        await Dispatch.RunAsync(TestRun.Cancel);

        Assert.Single(await ReadAllAsync("a"));
    }

    [Fact]
    public async Task A_73_entries_that_nobody_of_us_wrote_claim_nothing_and_break_nothing()
    {
        await CreateGroupAsync();
        var connection = Core.Get<RedisConnection>();
        await connection.ExecuteAsync("XADD", "aib:{default}:ready", "*", "id", "short");
        await connection.ExecuteAsync("XADD", "aib:{default}:ready", "*", "other", new string('x', 100_000));
        var id = await Core.SubmitAsync();

        var entries = await ReadAllAsync("a", 3);
        var claimed = await Core.Get<ClaimJobs>()
            .RunAsync(Core.WorkerId, entries.Select(entry => entry.JobId), CoreHost.Lease, TestRun.Cancel);

        Assert.Equal(id, Assert.Single(claimed).Lease.JobId);
    }

    [Fact]
    public async Task A_consumer_that_leaves_takes_the_entries_it_had_read_with_it()
    {
        await Core.SubmitAsync();
        await ReadAllAsync("leaving");

        await Queue.RemoveConsumerAsync("leaving");

        // What stayed would count against the limit for ever and be delivered to nobody.
        Assert.Equal(0, (long)await Core.Get<RedisConnection>().ExecuteAsync("XLEN", "aib:{default}:ready"));
    }

    [Fact]
    public async Task Entries_of_a_dead_consumer_are_dropped_after_a_while()
    {
        await Core.SubmitAsync();
        await ReadAllAsync("dead");

        await Core.Get<DropStaleEntries>().RunAsync(TimeSpan.Zero, TestRun.Cancel);

        Assert.Equal(0, (long)await Core.Get<RedisConnection>().ExecuteAsync("XLEN", "aib:{default}:ready"));
    }

    [Fact]
    public async Task A_dead_consumer_is_forgotten_once_it_holds_nothing()
    {
        await Core.SubmitAsync();
        await ReadAllAsync("dead");
        Assert.Equal(0, await Queue.RemoveIdleConsumersAsync(TimeSpan.FromTicks(-1)));

        await Core.Get<DropStaleEntries>().RunAsync(TimeSpan.Zero, TestRun.Cancel);

        Assert.Equal(0, await Queue.RemoveIdleConsumersAsync(TimeSpan.FromHours(1)));
        Assert.True(await Queue.RemoveIdleConsumersAsync(TimeSpan.FromMilliseconds(-1)) >= 1);
    }

    [Fact]
    public async Task F_15_a_frozen_Redis_fails_commands_within_the_limit_and_is_used_again_when_it_thaws()
    {
        // With the limit that there is by default.
        await using var host = await CoreHost.StartAsync(Db.ConnectionString, _redis.ConnectionString);
        var queue = host.Get<IReadyQueue>();
        await Eventually.TrueAsync(async _ => !await queue.HasBacklogAsync(), "Redis answers");
        _redis.Freeze();
        try
        {
            await Assert.ThrowsAsync<TimeoutException>(() => queue.HasBacklogAsync());
        }
        finally
        {
            _redis.Thaw();
        }

        await Eventually.TrueAsync(async _ => !await queue.HasBacklogAsync(), "Redis answers again");
    }

    private Task WaitForOffersAsync(int count) =>
        Eventually.TrueAsync(
            async _ => (long)await Core.Get<RedisConnection>().ExecuteAsync("XLEN", "aib:{default}:ready") == count,
            "the offers have arrived"
        );

    private async Task CreateGroupAsync()
    {
        // The first read finds no group and creates it.
        await Queue.ReadAsync("a", 1);
    }

    private Task<IReadOnlyList<ReadyEntry>> ReadAllAsync(string consumer, int atLeast = 1)
    {
        var entries = new List<ReadyEntry>();
        return Eventually.GetAsync<IReadOnlyList<ReadyEntry>>(
            async _ =>
            {
                entries.AddRange(await Queue.ReadAsync(consumer, 100));
                return entries;
            },
            read => read.Count >= atLeast,
            "entries arrive"
        );
    }
}
