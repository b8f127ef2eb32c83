using AiBackend.Core.Controls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Controls;

/// <summary>A provider that operators hold back is not asked: others answer in its place, or jobs wait for it without using up tries.</summary>
public sealed class HeldProviderTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly ControlTarget First = new(ControlKind.Provider, "p0");

    [Fact]
    public async Task Jobs_of_a_paused_provider_wait_once_with_the_reason_and_go_on_when_it_is_resumed()
    {
        const int Jobs = 20;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        var hold = worker.Get<HoldWork>();
        await hold.HoldAsync(First, ControlMode.Paused, null, "key", TestRun.Cancel);
        await UntilHeardAsync(worker, 1);
        for (var i = 0; i < Jobs; i++)
        {
            await worker.SubmitAsync();
        }

        const string Waits = "status = 5 AND waiting_reason = 'paused:provider/p0' AND due_at > now() + interval '50 minutes'";
        await Eventually.TrueAsync(async _ => await CountAsync(worker, Waits) == Jobs, "all wait and say why");
        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));

        await hold.ResumeAsync(First, "key", TestRun.Cancel);
        await UntilHeardAsync(worker, 0);
        await Eventually.TrueAsync(async _ => await CountAsync(worker, "status = 6") == Jobs, "all are done");
        // Once, or once more where a busy worker has not heard of the resume within the second that it has for that.
        Assert.Equal(Jobs, await CountAsync(worker, "attempt - excused = 1 AND excused BETWEEN 1 AND 2"));
    }

    [Fact]
    public async Task Another_provider_of_the_route_answers_in_place_of_a_paused_one()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (one, two) = (await simulator.ModelAsync(new { words = 2 }), await simulator.ModelAsync(new { words = 2 }));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, one), (simulator.Address, two));
        await worker.Get<HoldWork>().HoldAsync(First, ControlMode.Paused, null, "key", TestRun.Cancel);
        await UntilHeardAsync(worker, 1);

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("completed", "p1", 1), (job.Status, job.ServedBy!.Provider, job.Attempt));
        Assert.Empty(await simulator.CallsAsync(one, TestRun.Cancel));
    }

    [Fact]
    public async Task A_draining_provider_answers_what_was_accepted_before_and_nothing_newer()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (one, two) = (await simulator.ModelAsync(new { words = 2 }), await simulator.ModelAsync(new { words = 2 }));
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, one), (simulator.Address, two));
        var hold = worker.Get<HoldWork>();
        var queue = new ControlTarget(ControlKind.Queue, "default");
        await hold.HoldAsync(queue, ControlMode.Paused, null, "key", TestRun.Cancel);
        var before = await worker.SubmitAsync();
        await worker.ExecuteAsync("UPDATE jobs SET created_at = created_at - interval '1 minute' WHERE id = @id", before);
        await hold.HoldAsync(First, ControlMode.Draining, null, "key", TestRun.Cancel);
        await UntilHeardAsync(worker, 2);
        var after = await worker.SubmitAsync();
        await hold.ResumeAsync(queue, "key", TestRun.Cancel);

        await Eventually.TrueAsync(async _ => await CountAsync(worker, "status = 6") == 2, "both are done");
        Assert.Equal("p0", (await worker.Reads.FindAsync(before, TestRun.Cancel))!.ServedBy!.Provider);
        Assert.Equal("p1", (await worker.Reads.FindAsync(after, TestRun.Cancel))!.ServedBy!.Provider);
    }

    private static Task UntilHeardAsync(CoreHost worker, int controls) =>
        Eventually.TrueAsync(async _ => (await worker.Get<ControlReads>().LatestAsync()).Count == controls, "the worker has heard of it");

    private static Task<int> CountAsync(CoreHost worker, string condition) =>
        worker.ScalarAsync<int>($"SELECT count(*) FROM jobs WHERE {condition}");
}
