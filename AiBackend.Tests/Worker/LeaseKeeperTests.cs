using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Worker.Execution;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Tests.Worker;

/// <summary>Leases are renewed beside the work, and given up by the local clock when they cannot be.</summary>
public sealed class LeaseKeeperTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private readonly FakeTime _clock = new();
    private readonly WorkerIdentity _identity = new();
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);

    [Fact]
    public async Task A_lease_is_usable_for_eight_of_its_ten_seconds()
    {
        var held = new HeldLeases(_clock);
        using var running = await HoldAsync(held);

        _clock.Advance(TimeSpan.FromSeconds(8) - TimeSpan.FromTicks(1));
        Assert.Equal((0, false), (held.LoseUnconfirmed(TimeSpan.FromSeconds(8)), running.IsLost));

        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal((1, true), (held.LoseUnconfirmed(TimeSpan.FromSeconds(8)), running.IsLost));
        Assert.True(running.Stop.IsCancellationRequested);
    }

    [Fact]
    public async Task Work_stops_before_another_worker_may_begin_it_when_leases_cannot_be_renewed_F_5()
    {
        var held = new HeldLeases(_clock);
        using var running = await HoldAsync(held);
        await using var away = DatabaseRegistration.Open("Host=127.0.0.1;Port=1;Database=away;Username=nobody;Timeout=1");
        using var keeper = await StartAsync(held, away);

        await Eventually.TrueAsync(
            () =>
            {
                _clock.Advance(TimeSpan.FromMilliseconds(100));
                return running.IsLost;
            },
            "the attempt is stopped"
        );

        Assert.True(running.Stop.IsCancellationRequested);
        await keeper.StopAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task A_renewed_lease_lasts_a_whole_lease_longer_by_both_clocks()
    {
        var held = new HeldLeases(_clock);
        using var running = await HoldAsync(held);
        await Core.ExpireLeaseAsync(running.Job.Lease.JobId);
        _clock.Advance(TimeSpan.FromSeconds(5));
        var before = _clock.GetTimestamp();

        using var keeper = await StartAsync(held, Core.Database);

        await Eventually.TrueAsync(() => held.Snapshot()[0].ConfirmedAt == before, "the renewal is confirmed");
        var left = await Core.ScalarAsync<double>(
            "SELECT extract(epoch FROM lease_until - now()) FROM jobs WHERE id = @id",
            running.Job.Lease.JobId
        );
        Assert.InRange(left, 5, 10);
        Assert.False(running.IsLost);
        await keeper.StopAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task An_attempt_stops_as_soon_as_a_renewal_finds_its_lease_taken_over()
    {
        var held = new HeldLeases(_clock);
        using var running = await HoldAsync(held);
        await Core.ExecuteAsync("UPDATE jobs SET lease_epoch = lease_epoch + 1 WHERE id = @id", running.Job.Lease.JobId);

        using var keeper = await StartAsync(held, Core.Database);

        await Eventually.TrueAsync(() => running.IsLost, "the attempt knows that it lost its lease");
        await keeper.StopAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task A_renewal_finds_the_mark_of_a_cancel_that_no_message_announced()
    {
        var held = new HeldLeases(_clock);
        using var running = await HoldAsync(held);
        await Core.ExecuteAsync("UPDATE jobs SET cancel_requested = true WHERE id = @id", running.Job.Lease.JobId);

        using var keeper = await StartAsync(held, Core.Database);

        await Eventually.TrueAsync(() => running.CancelRequested, "the attempt is told of the cancel");
        Assert.False(running.IsLost);
        await keeper.StopAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task A_heartbeat_says_what_the_worker_does_and_that_it_stopped()
    {
        var held = new HeldLeases(_clock);
        using var running = await HoldAsync(held);
        using var keeper = await StartAsync(held, Core.Database);
        await Eventually.TrueAsync(_ => HasRowAsync("busy = 1 AND slots = 256 AND NOT draining AND stopped_at IS NULL"), "it shows");

        _lifetime.StopApplication();
        _clock.Advance(TimeSpan.FromSeconds(3));
        await Eventually.TrueAsync(_ => HasRowAsync("draining"), "the drain shows");
        await keeper.StopAsync(TestRun.Cancel);

        Assert.True(await HasRowAsync("stopped_at IS NOT NULL"));
    }

    private async Task<bool> HasRowAsync(string condition) =>
        await Core.ScalarAsync<long>($"SELECT count(*) FROM workers WHERE id = @id AND {condition}", _identity.Id) == 1;

    private async Task<RunningJob> HoldAsync(HeldLeases held)
    {
        var running = await Core.ClaimAsync(await Core.SubmitAsync(), _identity.Id);
        held.Add(running, _clock.GetTimestamp());
        return running;
    }

    private async Task<LeaseKeeper> StartAsync(HeldLeases held, NpgsqlDataSource database)
    {
        var keeper = new LeaseKeeper(
            new PostgresJobStore(database, database, database),
            held,
            Core.Writes,
            Core.Get<IStorageWatch>(),
            _identity,
            new WorkerDrain(_lifetime, Options.Create(new HostOptions()), TimeProvider.System),
            Options.Create(new WorkerOptions()),
            _clock,
            NullLogger<LeaseKeeper>.Instance
        );
        await keeper.StartAsync(TestRun.Cancel);
        return keeper;
    }
}
