using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Queue;

/// <summary>The way past the line, while the dispatcher looks at it.</summary>
public sealed class ClosedLineTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    // A dispatcher that has not looked for seconds takes it that somebody else has led: not here, however slow the machine is.
    private readonly FakeTime _clock = new();

    protected override IEnumerable<(string Key, string Value)> HostSettings => PatientRedis;

    private IReadyQueue Queue => Core.Get<IReadyQueue>();

    [Fact]
    public async Task Whoever_comes_during_a_look_does_not_overtake_the_line_and_is_found_by_the_next_look()
    {
        await Queue.ReadAsync("w", 1);
        var early = await Core.SubmitAsync();
        await Queue.NoteBacklogAsync();
        var late = Guid.Empty;
        var taken = -1;
        var dispatch = Dispatch(async () =>
        {
            late = Guid.CreateVersion7();
            taken = await Queue.OfferNewAsync([late]);
        });

        Assert.True(await dispatch.RunAsync(TestRun.Cancel), "Somebody came during the look.");

        Assert.Equal(0, taken);
        Assert.True(await Queue.HasBacklogAsync());
        Assert.Contains(early, (await Queue.LookAsync()).Unread);
        // The second look finds nothing more, so the way is open during it.
        Assert.False(await dispatch.RunAsync(TestRun.Cancel));
        Assert.Equal(1, taken);
        Assert.False(await Queue.HasBacklogAsync());
    }

    [Fact]
    public async Task A_round_that_fails_is_made_up_for_although_the_note_of_the_backlog_is_lost()
    {
        await Queue.ReadAsync("w", 1);
        var fails = false;
        var dispatch = Dispatch(() => fails ? throw new TimeoutException() : Task.CompletedTask);
        await Queue.NoteBacklogAsync();
        await dispatch.RunAsync(TestRun.Cancel);
        // Opened, and not looked at; and a job that nobody has offered.
        fails = true;
        await Assert.ThrowsAsync<TimeoutException>(() => dispatch.RunAsync(TestRun.Cancel));
        Assert.False(await Queue.HasBacklogAsync());
        var young = await Core.SubmitAsync(CoreHost.Draft() with { IsHeld = true });
        fails = false;

        await dispatch.RunAsync(TestRun.Cancel);

        Assert.Contains(young, (await Queue.LookAsync()).Unread);
    }

    [Fact]
    public async Task The_only_job_of_its_kind_that_comes_back_soon_is_offered_again_at_once()
    {
        await Queue.ReadAsync("w", 1);
        var dispatch = Dispatch(() => Task.CompletedTask);
        await Queue.NoteBacklogAsync();
        var id = await Core.SubmitAsync();
        await dispatch.RunAsync(TestRun.Cancel);
        var entry = Assert.Single(await Queue.ReadAsync("w", 10));
        await Core.ClaimAsync(id);
        await Queue.AcknowledgeAsync([entry.EntryId]);
        await Queue.NoteBacklogAsync();
        await dispatch.RunAsync(TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE jobs SET status = 1, worker_id = NULL, lease_until = NULL WHERE id = @id", id);
        await Queue.NoteBacklogAsync();

        await dispatch.RunAsync(TestRun.Cancel);

        Assert.Contains(id, (await Queue.LookAsync()).Unread);
    }

    private DispatchBacklog Dispatch(Func<Task> duringLook) =>
        new(
            new Watched(Core.Get<IQueuedJobs>(), duringLook),
            Queue,
            Core.Get<QueueTiers>(),
            Core.Get<RecentLoads>(),
            Core.Get<LineFlow>(),
            Core.Get<AllocationWatch>(),
            Core.Get<IOptions<QueueOptions>>(),
            _clock,
            NullLogger<DispatchBacklog>.Instance
        );

    /// <summary>The real thing, and something that happens just after the heads were read.</summary>
    private sealed class Watched(IQueuedJobs inner, Func<Task> duringLook) : IQueuedJobs
    {
        public async Task<LineHeads> ReadHeadsAsync(HeadsRequest request, CancellationToken cancellationToken)
        {
            var heads = await inner.ReadHeadsAsync(request, cancellationToken);
            await duringLook();
            return heads;
        }

        public Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken) =>
            inner.FindAsync(limit, olderThan, cancellationToken);

        public Task<IReadOnlyList<RunningJobs>> ReadRunningAsync(
            IReadOnlyCollection<Guid> apart,
            IReadOnlyCollection<Guid> known,
            CancellationToken cancellationToken
        ) => inner.ReadRunningAsync(apart, known, cancellationToken);

        public Task<IReadOnlyDictionary<Guid, int>> ReadReservedAsync(CancellationToken cancellationToken) =>
            inner.ReadReservedAsync(cancellationToken);

        public Task<IReadOnlyDictionary<Guid, string>> FindHoldersAsync(
            IReadOnlyCollection<Guid> jobIds,
            CancellationToken cancellationToken
        ) => inner.FindHoldersAsync(jobIds, cancellationToken);

        public Task<InteractiveDemand> ReadInteractiveDemandAsync(CancellationToken cancellationToken) =>
            inner.ReadInteractiveDemandAsync(cancellationToken);

        public Task<IReadOnlyDictionary<string, int>> ReadSlotsAsync(CancellationToken cancellationToken) =>
            inner.ReadSlotsAsync(cancellationToken);
    }
}
