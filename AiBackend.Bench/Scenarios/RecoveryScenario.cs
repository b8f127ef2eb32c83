using System.Globalization;
using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>recovery</c>: how long the jobs of a killed worker rest until they are claimed again; and how long after Redis was killed
/// jobs start as quickly as before.
/// </summary>
internal static class RecoveryScenario
{
    private const string Model = "sim-recovery";
    private const int Words = 300;
    private const int IntervalMs = 20;
    private const int Crashes = 6;
    private const int JobsPerCrash = 40;
    private const int RedisKills = 3;
    private const int PerSecond = 50;

    // The product's default lease and what the goal allows beside it.
    private static readonly TimeSpan CrashGoal = TimeSpan.FromSeconds(10 + 2);
    private static readonly TimeSpan RedisGoal = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan Watched = RedisGoal + TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        if (options.Redis is not null)
        {
            throw new InvalidOperationException("recovery kills Redis, so it runs on a server of its own. Leave out --redis.");
        }

        await using var stack = await BenchStack.StartAsync(options, new StackSettings(Workers: 2), cancellationToken);
        await stack.TeachAsync(Model, Words, IntervalMs, cancellationToken);
        await SendAsync(stack, Quiet, cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);

        var rested = new List<double>();
        for (var crash = 0; crash < Crashes; crash++)
        {
            rested.AddRange(await CrashAsync(stack, crash % 2, cancellationToken));
        }

        var back = new List<double>();
        for (var kill = 0; kill < RedisKills; kill++)
        {
            back.Add(await LoseRedisAsync(stack, cancellationToken));
        }

        var jobs = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", jobs, Patience, cancellationToken);
        return
        [
            .. rested.Describe("aibackend", "crash to resumed"),
            new("aibackend", "crash to resumed longest", "ms", rested.Max()),
            new("goal", "crash to resumed p99", "ms", CrashGoal.TotalMilliseconds),
            new("aibackend", "jobs of killed workers", "jobs", rested.Count),
            new("aibackend", "Redis killed to normal longest", "ms", back.Max()),
            new("goal", "Redis killed to normal longest", "ms", RedisGoal.TotalMilliseconds),
            new("aibackend", "wrong", "jobs", await stack.ScalarAsync<long>(Backlog.WrongSql, cancellationToken)),
        ];
    }

    /// <returns>Milliseconds from the kill to the next claim, for every job that the worker held.</returns>
    private static async Task<List<double>> CrashAsync(BenchStack stack, int replica, CancellationToken cancellationToken)
    {
        var before = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        await Backlog.QueueAsync(stack, JobsPerCrash, Requests.ChatBody(Model), cancellationToken);
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status = 2", JobsPerCrash, Patience, cancellationToken);
        var killedAt = TimeProvider.System.GetUtcNow();
        var pid = stack.Kill(BenchStack.WorkerName, replica) ?? throw new InvalidOperationException("The worker to kill was not running.");
        var all = before + JobsPerCrash;
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", all, Patience, cancellationToken);
        await using var command = stack.Database.CreateCommand(
            """
            SELECT next.started_at
              FROM job_attempts lost JOIN workers w ON w.id = lost.worker_id
              JOIN job_attempts next ON next.job_id = lost.job_id AND next.attempt = lost.attempt + 1
             WHERE lost.outcome = 6 AND w.name LIKE @name
            """
        );
        command.Parameters.AddWithValue("name", string.Create(CultureInfo.InvariantCulture, $"%/{pid}"));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rested = new List<double>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rested.Add((await reader.GetFieldValueAsync<DateTimeOffset>(0, cancellationToken) - killedAt).TotalMilliseconds);
        }

        return rested;
    }

    /// <returns>Milliseconds from the kill to the end of the last second whose jobs did not start as quickly as before.</returns>
    private static async Task<double> LoseRedisAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var quiet = await StartsAsync(stack, TimeSpan.FromSeconds(5), cancellationToken);
        var usual = quiet.Select(start => start.DelayMs).Order().ToList().At(0.99);
        var killedAt = TimeProvider.System.GetUtcNow();
        stack.Kill("redis");
        var after = await StartsAsync(stack, Watched, cancellationToken);
        var slow = after
            .GroupBy(start => (int)(start.SentAt - killedAt).TotalSeconds)
            .Where(second => second.Select(start => start.DelayMs).Order().ToList().At(0.5) > usual)
            .Select(second => second.Max(start => (start.SentAt - killedAt).TotalMilliseconds + start.DelayMs));
        return slow.DefaultIfEmpty(0).Max();
    }

    private static async Task<List<(DateTimeOffset SentAt, double DelayMs)>> StartsAsync(
        BenchStack stack,
        TimeSpan duration,
        CancellationToken cancellationToken
    )
    {
        var sent = await SendAsync(stack, duration, cancellationToken);
        var jobs = await stack.ScalarAsync<long>("SELECT count(*) FROM jobs", cancellationToken);
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", jobs, Patience, cancellationToken);
        var started = await LatencyScenario.ReadStartsAsync(stack, sent.Count, cancellationToken);
        return
        [
            .. sent.Where(job => started.ContainsKey(job.Id)).Select(job => (job.SentAt, (started[job.Id] - job.SentAt).TotalMilliseconds)),
        ];
    }

    private static Task<List<SentJob>> SendAsync(BenchStack stack, TimeSpan duration, CancellationToken cancellationToken) =>
        OpenLoop.SendAsync(stack.Api, "/api/v1/jobs", stack.Key, PerSecond, duration, cancellationToken);
}
