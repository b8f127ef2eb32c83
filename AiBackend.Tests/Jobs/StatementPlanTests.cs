using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>What every job pays goes by the primary key, on analysed tables.</summary>
public sealed class StatementPlanTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const int Batch = 100;

    private const string FillSql = """
        WITH filled AS (
            INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq)
            SELECT encode(substring(uuid_send(first_job_id(now())) FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
                   @id, 1, 6, 1, 'default', 3, 1
              FROM generate_series(1, 20000) n
            RETURNING id, tenant_id
        )
        INSERT INTO job_payloads (job_id, tenant_id, schema_version, input) SELECT id, tenant_id, 1, '{}' FROM filled
        """;

    private const string ScansSql = """
        SELECT coalesce(string_agg(DISTINCT name, ', ' ORDER BY name), '') FROM (
            SELECT i.inhparent::regclass::text AS name
              FROM pg_stat_user_indexes s JOIN pg_inherits i ON i.inhrelid = s.indexrelid
             WHERE s.relname ~ '^jobs_' AND s.idx_scan > 0
            UNION ALL
            SELECT 'every row of ' || relname FROM pg_stat_user_tables WHERE relname ~ '^(jobs|job_payloads)_' AND seq_scan > 0
            UNION ALL
            SELECT 'for nothing ' || relname FROM pg_stat_user_indexes
             WHERE relname ~ '^(jobs|job_payloads)_' AND relname !~ '_first$' AND idx_scan > 0) scans
        """;

    [Fact]
    public async Task A_claim_an_append_a_renewal_and_an_outcome_find_their_rows_by_the_primary_key()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        // One connection for all of them: a connection reports what it did when it is told to.
        await using var core = await CoreHost.StartAsync(database.ConnectionString + ";Maximum Pool Size=1", redis.ConnectionString);
        await core.ExecuteAsync(FillSql, ApiKeyStore.DefaultTenant);
        var ids = await Task.WhenAll(Enumerable.Range(0, Batch).Select(_ => core.SubmitAsync()));
        await ForgetScansAsync(core);

        var claimed = await core.Get<ClaimJobs>().RunAsync(core.WorkerId, ids, CoreHost.Lease, TestRun.Cancel);
        await AssertOnlyPrimaryKeyAsync(core);

        await ForgetScansAsync(core);
        var running = claimed.Select(core.Writes.Open).ToList();
        running.ForEach(job => job.AppendText("text"));
        await core.Get<IJobStore>().RenewAsync(Heartbeat, [.. claimed.Select(job => job.Lease)], CoreHost.Lease, TestRun.Cancel);
        Assert.DoesNotContain(false, await Task.WhenAll(running.Select(job => job.EndAsync(AttemptEnd.Succeeded("text")))));
        await AssertOnlyPrimaryKeyAsync(core);
    }

    [Fact]
    public async Task The_head_of_a_long_line_is_found_without_reading_the_line()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        await core.ExecuteAsync(FillSql.Replace("1, 6, 1,", "1, 1, 2,", StringComparison.Ordinal), ApiKeyStore.DefaultTenant);
        await core.ExecuteAsync("ANALYZE jobs", Guid.Empty);
        var reads = "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes";
        await core.ExecuteAsync("SELECT pg_stat_reset()", Guid.Empty);

        var head = await core.Get<IQueuedJobs>().ReadHeadsAsync(Heads, TestRun.Cancel);

        Assert.Equal(10, head.Count);
        // A session tells what it has read when it ends, and else only after ten idle seconds.
        core.HotPath.Clear();
        core.Database.Clear();
        await Eventually.TrueAsync(async _ => await core.ScalarAsync<long>(reads) >= 10, "Postgres has counted what was read");
        Assert.InRange(await core.ScalarAsync<long>(reads), 10, 100);
    }

    [Fact]
    public async Task A_long_line_of_one_pool_is_not_in_the_way_of_another_nor_counted_in_its_places()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        await core.ExecuteAsync(
            FillSql
                .Replace("last_seq)", "last_seq, pool)", StringComparison.Ordinal)
                .Replace("1, 6, 1, 'default', 3, 1", "1, 1, 1, 'big', 3, 1, 'heavy'", StringComparison.Ordinal),
            ApiKeyStore.DefaultTenant
        );
        var (first, second) = (await core.SubmitAsync(), await core.SubmitAsync());
        var heavy = await core.SubmitAsync(CoreHost.Draft() with { Pool = "heavy", Priority = JobPriority.Batch });
        await core.ExecuteAsync("ANALYZE jobs", Guid.Empty);
        const string Reads =
            "SELECT coalesce(sum(idx_tup_read), 0)::bigint + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname ~ '^jobs_') FROM pg_stat_user_indexes";
        await core.ExecuteAsync("SELECT pg_stat_reset()", Guid.Empty);

        var head = await core.Get<IQueuedJobs>().ReadHeadsAsync(Heads, TestRun.Cancel);
        var found = await core.Get<IQueuedJobs>().FindAsync(10, TimeSpan.Zero, TestRun.Cancel);
        var place = (await core.Reads.FindForEventAsync(second, TestRun.Cancel))!.Queue!.Position;

        Assert.Equal([first, second], head.Select(job => job.Id));
        Assert.Equal([first, second], found.Order());
        Assert.Equal(1, place);
        // A session tells what it has read when it ends, and else only after ten idle seconds.
        core.HotPath.Clear();
        core.Database.Clear();
        await Eventually.TrueAsync(async _ => await core.ScalarAsync<long>(Reads) >= 4, "Postgres has counted what was read");
        Assert.InRange(await core.ScalarAsync<long>(Reads), 4, 100);
        // A line of 20 000 is counted no further than before.
        Assert.Equal(1000, (await core.Reads.FindForEventAsync(heavy, TestRun.Cancel))!.Queue!.Position);
    }

    /// <summary>Analyses too: on a table the planner knows, a partial index of just the rows in question looks best.</summary>
    private static async Task ForgetScansAsync(CoreHost core)
    {
        await core.ExecuteAsync("ANALYZE jobs, job_payloads", Guid.Empty);
        await core.ExecuteAsync("SELECT pg_stat_reset()", Guid.Empty);
    }

    private static async Task AssertOnlyPrimaryKeyAsync(CoreHost core)
    {
        await using var flush = core.HotPath.CreateCommand("SELECT pg_stat_force_next_flush()");
        await flush.ExecuteNonQueryAsync(TestRun.Cancel);
        Assert.Equal("jobs_pkey", await core.ScalarAsync<string>(ScansSql));
    }

    private static HeadsRequest Heads => new(true, TimeSpan.Zero, 10, new Dictionary<JobKind, int>());

    private static WorkerHeartbeat Heartbeat => new(Guid.CreateVersion7(), "test/1", 1, 1, 0, false, 1);
}
