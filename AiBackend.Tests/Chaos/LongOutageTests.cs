using System.Diagnostics;
using System.Net;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Worker;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>Outages as long as the paper has them, under load.</summary>
[Trait("Category", "Long")]
public sealed class LongOutageTests(PostgresServer shared)
{
    private const int JobsPerSecond = 20;

    [Fact]
    public async Task F_10_ten_minutes_without_redis_under_load_leave_no_job_behind()
    {
        await using var trouble = await RedisTrouble.StartAsync(shared);
        await trouble.StartWorkerAsync();
        await trouble.AssertNormalAsync();

        var since = trouble.Log.Now;
        await trouble.Redis.StopAsync();
        var most = 0L;
        await EverySecondAsync(
            TestRun.Duration("AIBACKEND_TEST_REDIS_DOWN", TimeSpan.FromMinutes(10)),
            async () =>
            {
                await RedisTrouble.SubmitAsync(trouble.Worker, JobsPerSecond);
                most = Math.Max(most, await trouble.Worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status <> 6"));
            }
        );
        await trouble.AssertAllDoneAsync(TimeSpan.FromSeconds(30));
        trouble.Log.AssertCalm(since);
        await trouble.Redis.StartAsync();

        await trouble.AssertNormalAsync();
        // No more waited at any time than came in five seconds: polling keeps up with the load, and not with a fifth of it only.
        Assert.InRange(most, 0, 5 * JobsPerSecond);
    }

    [Fact]
    public async Task F_18_two_minutes_without_postgres_are_refused_promptly_and_forgotten_afterwards()
    {
        await using var postgres = await PostgresServer.StartNewAsync();
        var api = await ApiBehindProxy.StartAsync(postgres);
        await using var redis = await RedisServer.StartNewAsync();
        using var log = new LogCount();
        var worker = await WorkerUnderTest.StartAsync(
            api.Db.ConnectionString,
            redis.ConnectionString,
            [(new Uri("http://127.0.0.1:9"), "none")],
            [],
            builder => builder.Logging.AddProvider(log)
        );
        try
        {
            await api.SubmitAsync();
            var ids = await RedisTrouble.SubmitAsync(worker, JobsPerSecond);
            var (since, sinceWorker) = (api.Log.Now, log.Now);
            await postgres.StopAsync();
            await Eventually.TrueAsync(
                async token => (await api.ReadinessAsync(token)).Cause == "unreachable",
                "the Api knows",
                TimeSpan.FromSeconds(30)
            );
            var waits = new List<TimeSpan>();
            await EverySecondAsync(
                TestRun.Duration("AIBACKEND_TEST_POSTGRES_DOWN", TimeSpan.FromMinutes(2)),
                async () =>
                {
                    var watch = Stopwatch.StartNew();
                    await ApiBehindProxy.AssertUnavailableAsync(
                        await api.PostAsync(ApiServer.Chat, ("Idempotency-Key", $"k{waits.Count}"))
                    );
                    waits.Add(watch.Elapsed);
                }
            );
            Assert.True(waits.Order().ElementAt(waits.Count * 9 / 10) < TimeSpan.FromMilliseconds(100), string.Join(' ', waits));
            api.Log.AssertCalm(since);
            log.AssertCalm(sinceWorker);
            await postgres.StartAsync();

            for (var i = 0; i < waits.Count; i++)
            {
                var key = ("Idempotency-Key", $"k{i}");
                await Eventually.TrueAsync(
                    async _ => (await api.PostAsync(ApiServer.Chat, key)).StatusCode == HttpStatusCode.Accepted,
                    "what was refused is accepted"
                );
            }

            Assert.Equal(waits.Count + 1, await worker.ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE type = {(short)JobType.Chat}"));
            await Eventually.TrueAsync(
                async _ =>
                    await worker.ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE type <> {(short)JobType.Chat} AND status <> 6") == 0,
                "what was accepted before is done",
                TimeSpan.FromSeconds(30)
            );
            Assert.Equal(JobsPerSecond, ids.Count);
        }
        finally
        {
            await postgres.StartAsync();
            await worker.DisposeAsync();
            await api.EndAsync();
        }
    }

    [Fact]
    public async Task F_21_twenty_seconds_under_a_lock_of_all_jobs_cost_each_caller_a_bounded_time()
    {
        var api = await ApiBehindProxy.StartAsync(shared);
        try
        {
            await api.SubmitAsync();
            var longest = TimeSpan.Zero;
            await using (var connection = await api.Db.Source.OpenConnectionAsync(TestRun.Cancel))
            {
                await using var sit = new NpgsqlCommand(
                    "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE",
                    connection
                );
                await sit.ExecuteNonQueryAsync(TestRun.Cancel);
                var held = Stopwatch.StartNew();
                while (held.Elapsed < TestRun.Duration("AIBACKEND_TEST_LOCK", TimeSpan.FromSeconds(20)))
                {
                    var watch = Stopwatch.StartNew();
                    var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => api.PostAsync(ApiServer.Chat)));
                    longest = watch.Elapsed > longest ? watch.Elapsed : longest;
                    foreach (var answer in answers)
                    {
                        await ApiBehindProxy.AssertUnavailableAsync(answer);
                    }
                }

                await using var end = new NpgsqlCommand("ROLLBACK", connection);
                await end.ExecuteNonQueryAsync(TestRun.Cancel);
            }

            Assert.InRange(longest, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(15));
            await Eventually.TrueAsync(
                async _ => (await api.PostAsync(ApiServer.Chat)).StatusCode == HttpStatusCode.Accepted,
                "jobs are accepted again"
            );
        }
        finally
        {
            await api.EndAsync();
        }
    }

    /// <summary>A constant load: a round that takes longer delays no other one.</summary>
    private static async Task EverySecondAsync(TimeSpan duration, Func<Task> round)
    {
        var watch = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (watch.Elapsed < duration && await timer.WaitForNextTickAsync(TestRun.Cancel))
        {
            await round();
        }
    }
}
