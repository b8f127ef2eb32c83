using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using Npgsql;

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
    public async Task A_claim_an_append_a_renewal_an_outcome_and_a_look_at_it_find_their_rows_by_the_primary_key()
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

        await ForgetScansAsync(core);
        var ended = core.Get<EndedJobs>();
        var found = await Task.WhenAll(ids.Select(id => ended.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel)));
        Assert.All(found, Assert.NotNull);
        // By both of their keys, in either order.
        Assert.Contains(await ScansAsync(core), (string[])["jobs_pkey", "jobs_by_tenant"]);
    }

    [Fact]
    public async Task What_is_planned_once_is_never_compiled()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);

        foreach (var source in (NpgsqlDataSource[])[core.HotPath, core.Rounds])
        {
            await using var command = source.CreateCommand("SHOW jit");
            Assert.Equal("off", await command.ExecuteScalarAsync(TestRun.Cancel));
        }
    }

    /// <summary>Analyses too: on a table the planner knows, a partial index of just the rows in question looks best.</summary>
    private static async Task ForgetScansAsync(CoreHost core)
    {
        await core.ExecuteAsync("ANALYZE jobs, job_payloads", Guid.Empty);
        await core.ExecuteAsync("SELECT pg_stat_reset()", Guid.Empty);
    }

    private static async Task AssertOnlyPrimaryKeyAsync(CoreHost core) => Assert.Equal("jobs_pkey", await ScansAsync(core));

    private static async Task<string> ScansAsync(CoreHost core)
    {
        await using var flush = core.HotPath.CreateCommand("SELECT pg_stat_force_next_flush()");
        await flush.ExecuteNonQueryAsync(TestRun.Cancel);
        return await core.ScalarAsync<string>(ScansSql);
    }

    private static WorkerHeartbeat Heartbeat => new(Guid.CreateVersion7(), "test/1", 1, 1, 0, false, 1);
}
