using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Worker;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>What a model has said waits in memory for an absent Postgres, as long as the lease lives, and not without a bound.</summary>
public sealed class WaitingResultTests : IAsyncLifetime
{
    private readonly PostgresServer _postgres = new();
    private readonly RedisServer _redis = new();
    private FaultProxy _proxy = null!;
    private TestDatabase _database = null!;
    private CoreHost _core = null!;

    public async ValueTask InitializeAsync()
    {
        await _postgres.StartAsync();
        await _redis.StartAsync();
        _database = await _postgres.CreateDatabaseAsync();
        _proxy = FaultProxy.Before(() => _postgres.Port);
        _core = await CoreHost.StartAsync(
            new NpgsqlConnectionStringBuilder(_database.ConnectionString) { Port = _proxy.Port }.ConnectionString,
            _redis.ConnectionString
        );
    }

    [Theory]
    [InlineData("fast")]
    [InlineData("immediate")]
    [InlineData("kill")]
    [InlineData("cut")]
    public async Task F_17_a_result_that_postgres_could_not_take_is_committed_after_its_return(string outage)
    {
        using var running = await _core.ClaimAsync(await _core.SubmitAsync());
        running.AppendText("Once ");
        await Eventually.TrueAsync(async _ => (await _core.EventsAsync(running.Job.Lease.JobId)).Count == 3, "the first text is committed");

        await (
            outage switch
            {
                "fast" => _postgres.StopAsync(),
                "immediate" => _postgres.StopAtOnceAsync(),
                "kill" => _postgres.KillAsync(),
                _ => CutAsync(),
            }
        );
        running.AppendText("upon a time");
        var end = running.EndAsync(AttemptEnd.Succeeded("Once upon a time"));
        await Eventually.TrueAsync(() => _core.Get<IStorageWatch>().IsAway, "the outage is noticed");
        Assert.False(end.IsCompleted);
        _proxy.Fault = Fault.None;
        await _postgres.StartAsync();

        Assert.True(await end.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel));
        var job = await Eventually.GetAsync(
            token => _core.Reads.FindAsync(running.Job.Lease.JobId, token),
            found => found is not null,
            "reads work again"
        );
        Assert.Equal(("completed", "Once upon a time", 1), (job!.Status, job.Output!.Text, job.Attempt));
        Assert.Equal(
            [JobEventKind.State, JobEventKind.State, JobEventKind.Delta, JobEventKind.Delta, JobEventKind.Final],
            (await _core.EventsAsync(job.Id)).Select(record => record.Kind)
        );
    }

    [Fact]
    public async Task F_18_a_model_that_outruns_an_absent_postgres_pauses_and_nothing_is_lost()
    {
        using var running = await _core.ClaimAsync(await _core.SubmitAsync());
        await CutAsync();
        var said = new StringBuilder();
        var piece = new string('x', 1000);
        Task room;
        do
        {
            said.Append(piece);
            running.AppendText(piece);
            room = running.WaitForRoomAsync(TestRun.Cancel);
            Assert.True(said.Length < 10 * RunningJob.MaxWaitingText, "There is no bound.");
            await Task.Yield();
        } while (room.IsCompleted);

        Assert.InRange(said.Length, RunningJob.MaxWaitingText, (2 * RunningJob.MaxWaitingText) + piece.Length);
        _proxy.Fault = Fault.None;
        await room.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(said.ToString())));

        var deltas = (await _core.EventsAsync(running.Job.Lease.JobId)).Where(record => record.Kind == JobEventKind.Delta);
        Assert.Equal(
            said.ToString(),
            string.Concat(deltas.Select(record => JsonSerializer.Deserialize(record.Data, WireJson.Default.DeltaEvent)!.Text))
        );
    }

    [Fact]
    public async Task F_18_a_model_that_pauses_is_given_up_with_its_lease()
    {
        using var running = await _core.ClaimAsync(await _core.SubmitAsync());
        await CutAsync();
        running.AppendText(new string('x', 3 * RunningJob.MaxWaitingText));
        // What the first flush took leaves room again; what comes after it does not.
        await Eventually.TrueAsync(() => _core.Get<IStorageWatch>().IsAway, "the outage is noticed");
        running.AppendText(new string('x', RunningJob.MaxWaitingText));
        var room = running.WaitForRoomAsync(running.Stop);

        running.Lose();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => room);
    }

    [Fact]
    public async Task After_an_outage_the_rescuer_waits_one_lease_also_when_the_leader_stays_the_same()
    {
        await using var worker = await WorkerUnderTest.StartAsync(
            new NpgsqlConnectionStringBuilder(_database.ConnectionString) { Port = _proxy.Port }.ConnectionString,
            _redis.ConnectionString,
            [(new Uri("http://127.0.0.1:9"), "none")],
            [("Worker:LeaseDuration", "00:00:05"), ("Worker:RenewalInterval", "00:00:00.5"), ("Worker:LeaseSafetyMargin", "00:00:00.5")]
        );
        // Run by nobody alive, at a time of the test's choosing.
        // In this order: the round that rescues the early one goes on to ids that come after it.
        var (late, early) = (await ClaimForAGhostAsync(), await ClaimForAGhostAsync());
        await _core.ExpireLeaseAsync(early);
        await Eventually.TrueAsync(async _ => await RescuedAsync(early), "the worker leads and rescues", TimeSpan.FromSeconds(30));

        // Cut connections alone are no outage.
        var watch = worker.Get<IStorageWatch>();
        watch.Report(new NpgsqlException("cut", new IOException("cut")));
        Assert.Null(watch.SinceAway);
        await CutAsync();
        await Eventually.TrueAsync(() => watch.IsAway, "the outage is noticed");
        // Before it is over: when a busy machine notices that says nothing of when the worker did. Postgres has the same clock.
        var awayAt = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;
        _proxy.Fault = Fault.None;
        await Eventually.TrueAsync(() => !watch.IsAway, "the return is noticed");
        _core.Database.Clear();
        await _core.ExpireLeaseAsync(late);
        await Eventually.TrueAsync(async _ => await RescuedAsync(late), "the other one is rescued too", TimeSpan.FromSeconds(30));

        var rescuedAt = await _core.ScalarAsync<double>(
            "SELECT extract(epoch FROM at) FROM job_events WHERE job_id = @id AND kind = 4",
            late
        );
        // A lease less the time since the last question without an answer, which a busy machine asks late. Without the wait it would be a second.
        Assert.InRange(rescuedAt - awayAt, 2, 30);
    }

    public async ValueTask DisposeAsync()
    {
        _proxy.Fault = Fault.None;
        await _postgres.StartAsync();
        await _core.DisposeAsync();
        await _database.DisposeAsync();
        await _proxy.DisposeAsync();
        await _redis.DisposeAsync();
        await _postgres.DisposeAsync();
    }

    private Task CutAsync()
    {
        _proxy.Fault = new Fault { RefusesNew = true };
        _proxy.ResetAll();
        return Task.CompletedTask;
    }

    private async Task<Guid> ClaimForAGhostAsync()
    {
        // Due in a minute, so that the worker does not take it before the ghost has it.
        var id = await _core.SubmitAsync(CoreHost.Draft() with { NotBefore = TimeProvider.System.GetUtcNow().AddMinutes(1) });
        await _core.ExecuteAsync(
            "UPDATE jobs SET status = 2, lease_epoch = 1, attempt = 1, claimed_at = now(), lease_until = now() + interval '1 hour' WHERE id = @id",
            id
        );
        return id;
    }

    private async Task<bool> RescuedAsync(Guid id) =>
        await _core.ScalarAsync<long>("SELECT count(*) FROM job_events WHERE job_id = @id AND kind = 4", id) == 1;
}
