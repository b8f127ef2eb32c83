using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>Two transactions that want the same two rows the other way round: ours gives way, tries again and does its work once.</summary>
public sealed class DeadlockTests(PostgresServer postgres) : IAsyncLifetime
{
    private TestDatabase _database = null!;
    private CoreHost _core = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        // Ours looks for a deadlock after two seconds, the rival after half a minute: ours is always the one to give way. No Redis.
        _core = await CoreHost.StartAsync(_database.ConnectionString + ";Options=-c deadlock_timeout=2s", "127.0.0.1:1");
    }

    [Fact]
    public async Task F_22_a_claim_that_lost_a_deadlock_takes_both_jobs_once()
    {
        Guid[] ids = [await _core.SubmitAsync(), await _core.SubmitAsync()];
        Array.Sort(ids);

        var claimed = await CrossAsync(
            Row,
            ids,
            () => _core.Get<ClaimJobs>().RunAsync(_core.WorkerId, ids, CoreHost.Lease, TestRun.Cancel)
        );

        Assert.Equal(ids, claimed.Select(job => job.Lease.JobId).Order());
        Assert.All(claimed, job => Assert.Equal((1, 1), (job.Lease.Epoch, job.Attempt)));
    }

    [Fact]
    public async Task F_22_results_that_lost_a_deadlock_are_written_once()
    {
        Guid[] ids = [await _core.SubmitAsync(), await _core.SubmitAsync()];
        Array.Sort(ids);
        var running = new List<RunningJob>();
        foreach (var id in ids)
        {
            running.Add(await _core.ClaimAsync(id));
        }

        var ended = await CrossAsync(Row, ids, () => Task.WhenAll(running.Select(job => job.EndAsync(AttemptEnd.Succeeded("done")))));

        Assert.Equal([true, true], ended);
        Assert.Equal(2, await _core.ScalarAsync<long>("SELECT count(*) FROM job_outputs"));
        Assert.Equal(2, await _core.ScalarAsync<long>("SELECT count(*) FROM job_attempts"));
        running.ForEach(job => job.Dispose());
    }

    [Fact]
    public async Task F_22_a_renewal_that_lost_a_deadlock_keeps_both_leases()
    {
        Guid[] ids = [await _core.SubmitAsync(), await _core.SubmitAsync()];
        Array.Sort(ids);
        using var first = await _core.ClaimAsync(ids[0]);
        using var second = await _core.ClaimAsync(ids[1]);
        var heartbeat = new WorkerHeartbeat(_core.WorkerId, "test", 2, 2, 0, Draining: false, 2);

        var renewed = await CrossAsync(
            Row,
            ids,
            () => _core.Get<IJobStore>().RenewAsync(heartbeat, [first.Job.Lease, second.Job.Lease], CoreHost.Lease, TestRun.Cancel)
        );

        Assert.Equal(ids, renewed.Keys.Order());
    }

    [Fact]
    public async Task F_22_submissions_that_lost_a_deadlock_over_their_keys_make_one_job_each()
    {
        Guid[] others = [Guid.CreateVersion7(), Guid.CreateVersion7()];
        var drafts = new[] { CoreHost.Draft("a"), CoreHost.Draft("b") };

        var result = await CrossAsync(Key, others, () => _core.Get<IJobStore>().InsertAsync(drafts), rollback: true);

        Assert.Equal(drafts.Select(draft => draft.Id).Order(), result.Accepted.Order());
        Assert.Equal(2, await _core.ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task F_22_a_race_that_is_lost_again_and_again_is_given_up_after_three_repeats()
    {
        var tries = 0;

        await Assert.ThrowsAsync<PostgresException>(() =>
            TransientRetry.RunAsync<int>(
                _ =>
                {
                    tries++;
                    throw new PostgresException("deadlock detected", "ERROR", "ERROR", PostgresErrorCodes.DeadlockDetected);
                },
                TestRun.Cancel
            )
        );

        Assert.Equal(4, tries);
    }

    public async ValueTask DisposeAsync()
    {
        await _core.DisposeAsync();
        await _database.DisposeAsync();
    }

    private static string Row(Guid id, int at) => $"SELECT 1 FROM jobs WHERE id = '{id}' FOR UPDATE";

    private static string Key(Guid id, int at) =>
        $"""
            INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, job_id, expires_at)
            SELECT id, 'jobs', '{"ab"[at]}', 'x', '{id}', now() + interval '1 hour' FROM tenants LIMIT 1
            """;

    /// <summary>
    /// Until somebody waits for this session. In Postgres, and in one message with what comes then: ours looks for a deadlock once, so that the rival has
    /// to want the other row within two seconds, also on a machine that stands still.
    /// </summary>
    private const string UntilAwaitedSql = """
        DO $$ BEGIN
            FOR look IN 1 .. 1000 LOOP
                EXIT WHEN EXISTS (SELECT FROM pg_locks l WHERE NOT l.granted AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid)));
                PERFORM pg_sleep(0.01);
            END LOOP;
        END $$;
        """;

    /// <summary>The rival holds the second row, ours the first and waits for the second; then the rival wants the first.</summary>
    private async Task<T> CrossAsync<T>(Func<Guid, int, string> take, Guid[] rows, Func<Task<T>> ours, bool rollback = false)
    {
        await using var connection = await _database.Source.OpenConnectionAsync(TestRun.Cancel);
        await ExecuteAsync(connection, "SET deadlock_timeout = '30s'; SET lock_timeout = 0; SET statement_timeout = 0; BEGIN");
        await ExecuteAsync(connection, take(rows[1], 1));
        var task = ours();

        // Granted only because ours gives way.
        await ExecuteAsync(connection, UntilAwaitedSql + take(rows[0], 0));
        Assert.False(task.IsCompleted);
        await ExecuteAsync(connection, rollback ? "ROLLBACK" : "COMMIT");
        return await task.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // Built from constants and ids of this file.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
