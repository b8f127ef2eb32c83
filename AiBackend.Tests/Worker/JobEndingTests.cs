using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using StackExchange.Redis;

namespace AiBackend.Tests.Worker;

/// <summary>Deadlines and cancels as a whole worker applies them, with the provider's own log as the witness.</summary>
public sealed class JobEndingTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly object Endless = new { output_tokens = 100_000, interval_ms = 20 };

    [Fact]
    public async Task A_job_past_its_deadline_is_not_started_although_workers_were_told_of_it()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(Endless);
        Guid id;
        await using (var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString))
        {
            id = await core.SubmitAsync(CoreHost.Draft() with { Deadline = TimeProvider.System.GetUtcNow().AddMinutes(10) });
            await Eventually.TrueAsync(async _ => (await core.Get<IReadyQueue>().LookAsync()).Unread.Contains(id), "it is offered");
            await core.ExecuteAsync("UPDATE jobs SET deadline = now() WHERE id = @id", id);
        }

        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));

        await Eventually.TrueAsync(async _ => await worker.StatusAsync(id) == JobStatus.Failed, "it has ended");
        var job = await worker.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("deadline_exceeded", 0), (job!.Error!.Code, job.Attempt));
        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));
        var streams = (RedisResult[])(await worker.Get<RedisConnection>().ExecuteAsync("KEYS", "*:ready"))!;
        await Eventually.TrueAsync(
            async _ => (long)await worker.Get<RedisConnection>().ExecuteAsync("XLEN", (RedisKey)(string)streams[0]!) == 0,
            "its entry is gone"
        );
    }

    // At the same time: both wait for their deadline.
    [Fact]
    public Task A_running_job_at_its_deadline_keeps_its_text_or_says_that_there_is_none() =>
        Task.WhenAll(
            RunToDeadlineAsync("before_first_token", "failed", "deadline_exceeded"),
            RunToDeadlineAsync("none", "partially_completed", code: null)
        );

    private async Task RunToDeadlineAsync(string hang, string status, string? code)
    {
        // Of its own: workers of two databases would take each other's jobs out of one queue.
        await using var own = await RedisServer.StartNewAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(
            new
            {
                hang,
                output_tokens = 100_000,
                interval_ms = 20,
            }
        );
        await using var worker = await WorkerUnderTest.StartAsync(database, own, (simulator.Address, model));

        var job = await worker.RunJobAsync(CoreHost.Draft() with { Deadline = TimeProvider.System.GetUtcNow().AddSeconds(6) });

        Assert.Equal((status, code, 1), (job.Status, job.Error?.Code, job.Attempt));
        Assert.Equal(code is null, job.Output is { Text.Length: > 0 } && job.Output.Missing.Count == 1);
        Assert.Equal("client_aborted", (await simulator.EndedCallAsync(model)).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task EX_4_a_cancel_stops_the_provider_call_within_a_second_although_Redis_is_away()
    {
        await using var ownRedis = await RedisServer.StartNewAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(Endless);
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            ownRedis,
            [(simulator.Address, model)],
            // The renewal, which also finds the mark, comes too late for this test.
            [("Worker:LeaseDuration", "00:03:00"), ("Worker:RenewalInterval", "00:01:00")]
        );
        var id = await worker.SubmitAsync();
        await Eventually.TrueAsync(async token => (await simulator.CallsAsync(model, token)).Count == 1, "the provider is asked");
        await ownRedis.KillAsync();

        Assert.IsType<CancelOutcome.Accepted>(await worker.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));
        var acceptedAt = TimeProvider.System.GetUtcNow();

        var call = await simulator.EndedCallAsync(model);
        Assert.Equal("client_aborted", call.GetProperty("outcome").GetString());
        // What is asked for is 1 s, and the rest is a busy machine's.
        Assert.InRange(call.GetProperty("ended_at").GetDateTimeOffset() - acceptedAt, TimeSpan.FromSeconds(-10), TimeSpan.FromSeconds(20));
        await Eventually.TrueAsync(async _ => await worker.StatusAsync(id) == JobStatus.Cancelled, "the job has ended");
    }
}
