using AiBackend.Core.DeadLetters;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Workflows;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Worker;

/// <summary>What a pool does to its slots it does to no other pool.</summary>
public sealed class PoolTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private static readonly (string, string)[] Heavy =
    [
        ("Queue:Pools:0:Name", "heavy"),
        ("Queue:Pools:0:Models", "big-*"),
        ("Queue:Pools:0:Slots", "2"),
    ];

    [Fact]
    public async Task F_23_jobs_that_hang_fill_the_slots_of_their_pool_and_delay_nobody_in_another()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var hanging = await simulator.ModelAsync(new { hang = "before_first_token" });
        await using var worker = await StartAsync(database, await simulator.ModelAsync(new { words = 2 }), Heavy);
        for (var i = 0; i < 4; i++)
        {
            await worker.SubmitAsync(CoreHost.Draft() with { Model = hanging, Pool = "heavy" });
        }

        await Eventually.TrueAsync(async _ => await CountAsync(worker, JobStatus.Processing) == 2, "the pool's slots are taken");

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal("completed", job.Status);
        Assert.Equal((2, 2), (await CountAsync(worker, JobStatus.Processing), await CountAsync(worker, JobStatus.Queued)));
        // A slot is free again as soon as its job ends.
        var running = await worker.ScalarAsync<string>("SELECT min(id::text) FROM jobs WHERE status = 2");
        await worker.Get<CancelJob>().RunAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, Guid.Parse(running), TestRun.Cancel);
        await Eventually.TrueAsync(async _ => await CountAsync(worker, JobStatus.Queued) == 1, "the next of the pool has begun");
    }

    [Fact]
    public async Task A_worker_takes_only_jobs_of_the_pools_it_serves()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model, [.. Heavy, ("Worker:Pools", "heavy")]);
        var ordinary = await worker.SubmitAsync();

        var heavy = await worker.RunJobAsync(CoreHost.Draft() with { Pool = "heavy" });

        Assert.Equal(("completed", JobStatus.Queued), (heavy.Status, await worker.StatusAsync(ordinary)));
        Assert.Empty(await worker.Get<ClaimJobs>().RunInPoolAsync(worker.WorkerId, "heavy", [ordinary], CoreHost.Lease, TestRun.Cancel));
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT coalesce(max(slots), 0) FROM workers") == 2,
            "it has said how many slots it has"
        );
    }

    [Fact]
    public async Task A_job_of_a_pool_is_offered_to_no_ordinary_worker()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        var heavy = await core.SubmitAsync(CoreHost.Draft() with { Pool = "heavy" });

        Assert.Empty(await core.Get<ClaimJobs>().RunAsync(core.WorkerId, [heavy], CoreHost.Lease, TestRun.Cancel));
        Assert.Empty(await core.Get<IQueuedJobs>().FindAsync(10, TimeSpan.Zero, TestRun.Cancel));
        Assert.Empty(
            (
                await core.Get<IQueuedJobs>()
                    .ReadHeadsAsync(new(true, TimeSpan.Zero, 10, new Dictionary<JobKind, int>(), []), TestRun.Cancel)
            ).Jobs
        );
        Assert.Equal([heavy], await core.Get<FindPooledJobs>().RunAsync("heavy", 10, TestRun.Cancel));
        Assert.Empty(await core.Get<FindPooledJobs>().RunAsync("other", 10, TestRun.Cancel));
    }

    [Theory]
    [InlineData(JobType.Chat, "heavy")]
    [InlineData(JobType.Workflow, "default")]
    [InlineData(JobType.Tool, "default")]
    [InlineData(JobType.Review, "default")]
    public async Task A_replay_with_another_model_runs_in_the_pool_of_that_model_unless_it_asks_none(JobType type, string pool)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString, settings: Heavy);
        Guid[] dead = [await DieAsync(), await DieAsync(), await DieAsync()];
        var replay = core.Get<ReplayJob>();

        await ReplayAsync(dead[0], "big-one");
        await ReplayAsync(dead[1], model: null);
        Assert.IsType<BeginOutcome.Begun>(
            await core.Get<BeginBulkAction>()
                .RunAsync(
                    new(BulkKind.Replay, new BulkSelection(ApiKeyStore.DefaultTenant, new DeadLetterFilter(), [dead[2]]), "key")
                    {
                        Canary = false,
                        Model = "big-two",
                        Rate = 10,
                    },
                    TestRun.Cancel
                )
        );
        for (var round = 0; round < 4; round++)
        {
            await core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);
        }

        Assert.Equal((pool, "default", pool), (await PoolAsync(dead[0]), await PoolAsync(dead[1]), await PoolAsync(dead[2])));

        Task<Guid> DieAsync() => core.DieAsync(draft: CoreHost.Draft() with { Type = type });

        async Task ReplayAsync(Guid id, string? model)
        {
            var source = (await replay.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!;
            var order = new ReplayOrder(ApiKeyStore.DefaultTenant, id, "key") { Model = model };
            Assert.IsType<ReplayOutcome.Done>(await replay.RunAsync(source, order, TestRun.Cancel));
        }

        Task<string> PoolAsync(Guid id) =>
            core.ScalarAsync<string>("SELECT j.pool FROM jobs j JOIN job_payloads p ON p.job_id = j.id WHERE p.replay_of = @id", id);
    }

    [Fact]
    public async Task The_steps_of_a_run_that_ask_no_model_wait_where_the_run_does_and_not_in_the_pool_of_its_model()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model, [.. Heavy, ("Queue:Pools:0:Models", model)]);
        var run = RunDraft.Of(
            $$$"""
            {"steps":[{"name":"ask","type":"chat","model":"{{{model}}}","messages":[{"role":"user","content":"Hi"}]},
                      {"name":"time","type":"tool","tool":"current_time","arguments":{}},
                      {"name":"gate","type":"review","question":"Well?","value":"x"}]}
            """,
            "{}",
            null,
            new PinnedTool("current_time", 0)
        ) with
        {
            Model = model,
        };

        await worker.SubmitAsync(run);
        await worker.UntilAsync(async () => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs") == 4, "all steps have their jobs");

        Assert.Equal(
            FormattableString.Invariant(
                $"{JobType.Chat:D} heavy, {JobType.Workflow:D} default, {JobType.Tool:D} default, {JobType.Review:D} default"
            ),
            await worker.ScalarAsync<string>("SELECT string_agg(type || ' ' || pool, ', ' ORDER BY type) FROM jobs")
        );
    }

    [Theory]
    [InlineData("big-model", "heavy")]
    [InlineData("big-", "heavy")]
    [InlineData("o3", "heavy")]
    [InlineData("o3-mini", "default")]
    [InlineData("default", "default")]
    public void A_model_belongs_to_the_pool_that_names_it(string model, string pool)
    {
        var options = new QueueOptions { Pools = [new() { Name = "heavy", Models = "big-*, o3" }] };

        Assert.Equal(pool, new QueuePools(Options.Create(options)).PoolOf(model));
    }

    [Theory]
    [InlineData("Queue:Pools:0:Name", "default", "which is the pool of all other jobs")]
    [InlineData("Queue:Pools:0:Name", "Big Ones", "takes 1 to 32 lower-case letters")]
    [InlineData("Queue:Pools:0:Models", " , ", "Models is empty")]
    [InlineData("Queue:Pools:0:Slots", "0", "Slots is 0")]
    [InlineData("Queue:Pools:1:Name", "heavy", "more than once")]
    [InlineData("Worker:Pools", "default, hevay", "Worker:Pools names 'hevay'")]
    public async Task Unknown_and_double_names_of_pools_are_refused_at_the_start(string key, string value, string complaint)
    {
        await using var database = await postgres.CreateDatabaseAsync();

        var failure = await Assert.ThrowsAnyAsync<Exception>(async () =>
            await StartAsync(database, "sim", [.. Heavy, ("Queue:Pools:1:Models", "x"), ("Queue:Pools:1:Name", "light"), (key, value)])
        );

        Assert.Contains(complaint, failure.ToString(), StringComparison.Ordinal);
    }

    /// <param name="database">Where Postgres is.</param>
    /// <param name="model">Model of the route <c>default</c>.</param>
    /// <param name="settings">Of two for one key the later one holds.</param>
    private async Task<CoreHost> StartAsync(TestDatabase database, string model, IEnumerable<(string, string)> settings) =>
        await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            settings.Append(("AIBACKEND_PROVIDERS:0:SIMULATED", "true")).Reverse().DistinctBy(setting => setting.Item1)
        );

    private static Task<int> CountAsync(CoreHost worker, JobStatus status) =>
        worker.ScalarAsync<int>(FormattableString.Invariant($"SELECT count(*) FROM jobs WHERE status = {(short)status}"));
}
