using AiBackend.Core.Database;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Worker.Execution;
using AiBackend.Worker.Maintenance;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Worker;

/// <summary>One worker leads; another takes over when it stops, and when it is silent for longer than its term.</summary>
public sealed class LeadershipTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1.5);

    private readonly FakeTime _clock = new();

    [Fact]
    public async Task The_successor_of_a_leader_that_stops_need_not_wait_for_its_term()
    {
        await using var first = Candidate();
        await first.UntilLeadingAsync(_clock, Interval);
        await using var second = Candidate();
        // Longer than this test waits for anything.
        await Core.ExecuteAsync("UPDATE leadership SET until = now() + interval '1 hour'", Guid.Empty);

        await first.DisposeAsync();

        Assert.False(first.Leads);
        await second.UntilLeadingAsync(_clock, Interval);
    }

    [Fact]
    public async Task A_leader_that_is_gone_is_succeeded_at_once_whatever_its_term()
    {
        var gone = Guid.CreateVersion7();
        await Core.ExecuteAsync(
            "INSERT INTO leadership (role, holder, until) VALUES ('maintenance', @id, now() + interval '1 hour')",
            gone
        );
        var leadership = NewLeadership();
        await using var successor = new Candidacy(leadership);
        await _clock.WaitForTimersAsync(1, TestRun.Cancel);
        Assert.False(successor.Leads);

        await leadership.SucceedAsync(gone, TestRun.Cancel);

        // Time stands still.
        await successor.UntilLeadingAsync(_clock, TimeSpan.Zero);
    }

    [Fact]
    public async Task A_leader_renews_its_term_and_nobody_else_leads_meanwhile()
    {
        await using var first = Candidate();
        await first.UntilLeadingAsync(_clock, Interval);
        var leadership = NewLeadership();
        await using var second = new Candidacy(leadership);

        // It has asked again and again, and was answered.
        await UntilAsync(() => leadership.InTouchFor >= TimeSpan.FromSeconds(10), "the second one has asked");

        Assert.Equal((true, false), (first.Leads, second.HasLed));
    }

    [Fact]
    public async Task A_silent_leader_is_replaced_and_stops_leading_when_it_notices()
    {
        await using var first = Candidate();
        await first.UntilLeadingAsync(_clock, Interval);
        await Core.ExecuteAsync("UPDATE leadership SET until = now() - interval '1 second', holder = @id", Guid.CreateVersion7());

        await using var second = Candidate();
        await second.UntilLeadingAsync(_clock, TimeSpan.Zero);

        await Eventually.TrueAsync(
            () =>
            {
                _clock.Advance(Interval);
                return !first.Leads;
            },
            "the first one stops leading"
        );
        Assert.True(second.Leads);
    }

    [Fact]
    public async Task A_candidate_knows_for_how_long_Postgres_has_answered_it()
    {
        await using var first = Candidate();
        await first.UntilLeadingAsync(_clock, Interval);
        var leadership = NewLeadership();
        await using var second = new Candidacy(leadership);
        Assert.True(leadership.InTouchFor < TimeSpan.FromSeconds(10));

        await UntilAsync(() => leadership.InTouchFor >= TimeSpan.FromSeconds(10), "it has been in touch for a lease");
        await Core.ExecuteAsync("ALTER TABLE leadership RENAME TO gone", Guid.Empty);
        await UntilAsync(() => leadership.InTouchFor == TimeSpan.Zero, "one look without an answer ends it");
        await Core.ExecuteAsync("ALTER TABLE gone RENAME TO leadership", Guid.Empty);
        await UntilAsync(() => leadership.InTouchFor > TimeSpan.Zero, "it begins anew");

        Assert.True(leadership.InTouchFor < TimeSpan.FromSeconds(10));
    }

    /// <summary>Time goes on when both have been answered, however long that takes: a look that is late ends being in touch.</summary>
    private Task UntilAsync(Func<bool> condition, string what) =>
        Eventually.TrueAsync(
            async token =>
            {
                await _clock.WaitForTimersAsync(2, token);
                _clock.Advance(Interval);
                return condition();
            },
            what,
            TimeSpan.FromSeconds(30)
        );

    private Candidacy Candidate() => new(NewLeadership());

    private Leadership NewLeadership() =>
        new(Core.Database, Core.Get<IStorageWatch>(), new WorkerIdentity(), _clock, NullLogger<Leadership>.Instance);

    private sealed class Candidacy : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _run;

        public Candidacy(Leadership leadership) => _run = leadership.RunAsync(LeadAsync, _stop.Token);

        public bool Leads { get; private set; }

        public bool HasLed { get; private set; }

        public Task UntilLeadingAsync(FakeTime clock, TimeSpan step) =>
            Eventually.TrueAsync(
                () =>
                {
                    clock.Advance(step);
                    return Leads;
                },
                "it leads"
            );

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _run;
        }

        private async Task LeadAsync(CancellationToken term)
        {
            Leads = HasLed = true;
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, term);
            }
            catch (OperationCanceledException) when (term.IsCancellationRequested)
            {
                Leads = false;
            }
        }
    }
}
