using System.Globalization;
using AiBackend.Core.Jobs;
using AiBackend.Core.Redis;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using StackExchange.Redis;

namespace AiBackend.Tests.Worker;

/// <summary>What a worker takes, keeps and gives back.</summary>
public sealed class JobIntakeTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string RefuseNoMoreSql =
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$";

    private static readonly object Slow = new { words = 1000, interval_ms = 1000 };

    [Fact]
    public async Task No_more_jobs_are_claimed_than_slots_are_free()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database, Slow, ("Worker:MaxConcurrentJobs", "2"));
        var ids = new List<Guid>();
        for (var i = 0; i < 5; i++)
        {
            ids.Add(await worker.SubmitAsync());
        }

        await Eventually.TrueAsync(async _ => await CountAsync(worker, JobStatus.Processing) == 2, "two jobs run");
        // The leader has offered all of them, and the worker has looked several times, when its heartbeat shows it busy.
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM workers WHERE busy = 2") == 1,
            "the worker has reported its two jobs"
        );
        Assert.Equal((2, 3), (await CountAsync(worker, JobStatus.Processing), await CountAsync(worker, JobStatus.Queued)));
    }

    [Fact]
    public async Task Jobs_whose_claim_failed_are_claimed_as_soon_as_one_succeeds()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        // What a sequence has given is not taken back with the transaction.
        await RefuseAsync(
            database,
            "UPDATE OF status ON jobs FOR EACH ROW WHEN (NEW.status = 2)",
            "'no claims today: %', nextval('refused')"
        );
        await using var worker = await StartAsync(database, Slow, ("Worker:MaxConcurrentJobs", "2"));
        await worker.SubmitAsync();
        await worker.SubmitAsync();
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<bool>("SELECT last_value >= 3 FROM refused"),
            "claims are tried again and again"
        );

        await worker.ExecuteAsync(RefuseNoMoreSql, Guid.Empty);

        // An entry that nobody has claimed for a minute would be offered again.
        await Eventually.TrueAsync(
            async _ => await CountAsync(worker, JobStatus.Processing) == 2,
            "both jobs run",
            TimeSpan.FromSeconds(30)
        );
    }

    [Fact]
    public async Task An_entry_stays_in_the_queue_when_the_outcome_could_not_be_recorded_and_the_job_runs_again()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await RefuseAsync(database, "INSERT ON job_outputs FOR EACH ROW", "'no outputs today'");
        await using var worker = await StartAsync(
            database,
            // Slow enough for the text to be written before the outcome is tried.
            new { words = 3, interval_ms = 200 },
            ("Worker:LeaseDuration", "00:00:03"),
            ("Worker:RenewalInterval", "00:00:00.5"),
            ("Worker:LeaseSafetyMargin", "00:00:01")
        );

        var id = await worker.SubmitAsync();
        // Of each attempt until its lease is over, which a machine that stops may miss of the first.
        await Eventually.TrueAsync(
            async _ => await IsOverAsync(worker, id) && await PendingAsync(worker) == 1 && await IsOverAsync(worker, id),
            "an attempt has written its text and is over, and its entry is still in the queue"
        );

        await worker.ExecuteAsync(RefuseNoMoreSql, Guid.Empty);
        await Eventually.TrueAsync(
            async _ => await worker.StatusAsync(id) == JobStatus.Completed,
            "another attempt is recorded",
            TimeSpan.FromSeconds(30)
        );
    }

    [Fact]
    public async Task I_21_a_worker_that_is_told_to_stop_gives_back_what_does_not_end_in_time()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        Guid id;
        await using (
            var worker = await WorkerUnderTest.StartAsync(
                database.ConnectionString,
                redis.ConnectionString,
                [(simulator.Address, await simulator.ModelAsync(Slow))],
                [],
                WorkerUnderTest.StopPatiently
            )
        )
        {
            id = await worker.SubmitAsync();
            await Eventually.TrueAsync(async _ => await worker.StatusAsync(id) == JobStatus.Processing, "it runs");
        }

        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        Assert.Equal(JobStatus.Queued, await core.StatusAsync(id));
        Assert.Equal(1, await core.ScalarAsync<long>("SELECT excused FROM jobs WHERE id = @id", id));
        Assert.Equal(0, await PendingAsync(core));
    }

    // Before the worker starts, and ended by another body: a trigger is not made or dropped without locks on every partition, which a
    // running worker's statements may hold in another order.
    private static async Task RefuseAsync(TestDatabase database, string when, string message)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            CREATE SEQUENCE refused;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RAISE EXCEPTION {message}; END $$;
            CREATE TRIGGER refuse BEFORE {when} EXECUTE FUNCTION refuse()
            """
        );
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private async Task<CoreHost> StartAsync(TestDatabase database, object behaviour, params (string, string)[] settings) =>
        await WorkerUnderTest.StartAsync(database, redis, [(simulator.Address, await simulator.ModelAsync(behaviour))], settings);

    private static Task<bool> IsOverAsync(CoreHost worker, Guid id) =>
        worker.ScalarAsync<bool>(
            """
            SELECT EXISTS (SELECT FROM workers
                            WHERE busy = 0 AND last_seen_at > (SELECT max(at) FROM job_events WHERE job_id = @id AND kind = 2))
               AND EXISTS (SELECT FROM jobs WHERE id = @id AND status = 2)
            """,
            id
        );

    private static Task<long> CountAsync(CoreHost worker, JobStatus status) =>
        worker.ScalarAsync<long>(string.Create(CultureInfo.InvariantCulture, $"SELECT count(*) FROM jobs WHERE status = {(short)status}"));

    private static async Task<long> PendingAsync(CoreHost worker)
    {
        var streams = (RedisResult[])(await worker.Get<RedisConnection>().ExecuteAsync("KEYS", "*:ready"))!;
        var pending = (RedisResult[])
            (await worker.Get<RedisConnection>().ExecuteAsync("XPENDING", (RedisKey)(string)streams[0]!, "workers"))!;
        return (long)pending[0];
    }
}
