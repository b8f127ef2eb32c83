using AiBackend.Core.Controls;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Limits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Queue;

/// <summary>What the leader does in rounds costs what it finds, not what waits: 20 000 jobs wait in most of these.</summary>
public sealed class LongLineTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private const string ReadsSql =
        "SELECT coalesce(sum(idx_tup_read), 0)::bigint + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname ~ '^jobs_') FROM pg_stat_user_indexes";

    [Fact]
    public async Task The_head_is_found_without_reading_the_line()
    {
        await FillAsync();

        var (head, reads) = await CountAsync(() => HeadsAsync());

        Assert.Equal(10, head.Jobs.Count);
        Assert.True(head.HasMore);
        Assert.InRange(reads, 10, 100);
    }

    [Fact]
    public async Task A_line_of_one_pool_is_not_in_the_way_of_another_nor_counted_in_its_places()
    {
        await FillAsync(pool: "heavy");
        var (first, second) = (await Core.SubmitAsync(), await Core.SubmitAsync());
        var heavy = await Core.SubmitAsync(CoreHost.Draft() with { Pool = "heavy", Priority = JobPriority.Batch });

        var ((head, found, place), reads) = await CountAsync(async () =>
            (
                await HeadsAsync(),
                await Core.Get<IQueuedJobs>().FindAsync(10, TimeSpan.Zero, TestRun.Cancel),
                (await Core.Reads.FindAsync(second, TestRun.Cancel))!.Queue!.Position
            )
        );

        Assert.Equal([first, second], head.Jobs.Select(job => job.Id));
        Assert.False(head.HasMore);
        Assert.Equal([first, second], found.Order());
        Assert.Equal(1, place);
        Assert.InRange(reads, 4, 100);
        // A line of 20 000 is counted no further than before.
        Assert.Equal(1000, (await Core.Reads.FindAsync(heavy, TestRun.Cancel))!.Queue!.Position);
    }

    [Fact]
    public async Task A_line_of_a_paused_model_is_passed_over_at_once()
    {
        await FillAsync(model: "paused");
        var free = await Core.SubmitAsync();
        await Core.Get<HoldWork>().HoldAsync(new(ControlKind.Model, "paused"), ControlMode.Paused, null, "key", TestRun.Cancel);

        var (head, reads) = await CountAsync(() => HeadsAsync());

        Assert.Equal(free, Assert.Single(head.Jobs).Id);
        Assert.InRange(reads, 1, 100);
    }

    [Fact]
    public async Task Nobody_makes_room_for_interactive_jobs_that_are_paused()
    {
        var held = await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Interactive, Model = "paused" });
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() - interval '1 hour' WHERE id = @id", held);
        await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Interactive });
        await Core.Get<HoldWork>().HoldAsync(new(ControlKind.Model, "paused"), ControlMode.Paused, null, "key", TestRun.Cancel);

        var demand = await Core.Get<IQueuedJobs>().ReadInteractiveDemandAsync(TestRun.Cancel);

        Assert.Equal(1, demand.Jobs);
        Assert.InRange(demand.Wait, TimeSpan.Zero, TimeSpan.FromMinutes(30));
    }

    [Fact]
    public async Task Jobs_of_a_paused_provider_are_passed_over_at_once_and_let_go_when_they_may()
    {
        await FillAsync(status: 5, reason: "paused:provider/one");
        await Core.ExecuteAsync(
            "UPDATE jobs SET waiting_reason = 'paused:provider/two' WHERE id IN (SELECT id FROM jobs LIMIT 3)",
            Guid.Empty
        );
        await Core.ExecuteAsync("ANALYZE jobs", Guid.Empty);
        var held = new ControlTarget(ControlKind.Provider, "one");
        await Core.Get<HoldWork>().HoldAsync(held, ControlMode.Paused, null, "key", TestRun.Cancel);
        var release = new ReleaseHeldJobs(Core.Database);

        var (released, reads) = await CountAsync(() => release.RunAsync(100, TestRun.Cancel));

        Assert.Equal(3, released);
        Assert.InRange(reads, 3, 200);
        // A provider that drains is asked for the jobs that were there before.
        await Core.ExecuteAsync("UPDATE jobs SET created_at = now() + interval '1 hour'", Guid.Empty);
        await Core.ExecuteAsync(
            "UPDATE jobs SET created_at = now() - interval '1 hour' WHERE id = (SELECT id FROM jobs WHERE waiting_reason LIKE '%one' LIMIT 1)",
            Guid.Empty
        );
        await Core.Get<HoldWork>().HoldAsync(held, ControlMode.Draining, null, "key", TestRun.Cancel);
        Assert.Equal(1, await release.RunAsync(100, TestRun.Cancel));
        Assert.Equal(0, await release.RunAsync(100, TestRun.Cancel));
    }

    [Fact]
    public async Task Jobs_that_wait_for_a_limit_cost_nothing_when_none_of_them_may_go_and_the_urgent_go_first()
    {
        await FillAsync(status: 5, reason: "rate_limit:p/m:concurrent_calls");
        await Core.ExecuteAsync("UPDATE jobs SET priority = 0 WHERE id IN (SELECT id FROM jobs ORDER BY id DESC LIMIT 2)", Guid.Empty);
        await Core.ExecuteAsync("ANALYZE jobs", Guid.Empty);
        await Core.ExecuteAsync("SELECT call_window('p/m', 60000); UPDATE call_windows SET max_requests = 4", Guid.Empty);
        var release = Core.Get<ReleaseLimitedJobs>();

        var (released, reads) = await CountAsync(() => release.RunAsync(TestRun.Cancel));

        Assert.Equal(4, released);
        Assert.InRange(reads, 4, 200);
        Assert.Equal(2, await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE priority = 0 AND due_at <= now()"));
        (released, reads) = await CountAsync(() => release.RunAsync(TestRun.Cancel));
        Assert.Equal(0, released);
        Assert.InRange(reads, 0, 200);
    }

    [Fact]
    public async Task Learning_reads_what_has_ended_and_not_what_waits()
    {
        var id = await Core.SubmitAsync();
        await Core.ClaimAsync(id);
        await FillAsync();

        var (_, reads) = await CountAsync(async () =>
        {
            await Core.Get<LearnEstimates>().RunAsync(TestRun.Cancel);
            return true;
        });

        Assert.InRange(reads, 1, 200);
    }

    [Fact]
    public async Task I_16_of_very_many_kinds_each_has_its_turn_and_a_lower_priority_its_own()
    {
        await Core.ExecuteAsync(
            """
            INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq)
            SELECT encode(substring(uuid_send(first_job_id(now())) FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
                   gen_random_uuid(), 1, 1, 0, 'default', 3, 1 FROM generate_series(1, 4500) n
            """,
            Guid.Empty
        );
        var standard = await Core.SubmitAsync();
        await Core.ExecuteAsync("ANALYZE jobs", Guid.Empty);
        var (seen, last) = (new HashSet<Guid>(), (IReadOnlyCollection<JobKind>)[]);

        for (var look = 1; look <= 3; look++)
        {
            var heads = await HeadsAsync(last);
            Assert.Contains(heads.Jobs, job => job.Id == standard);
            Assert.True(heads.HasMore);
            seen.UnionWith(heads.Jobs.Where(job => job.Id != standard).Select(job => job.TenantId));
            Assert.Equal(Math.Min(4500, look * 2000), seen.Count);
            last = heads.Last;
        }
    }

    private Task<LineHeads> HeadsAsync(IReadOnlyCollection<JobKind>? after = null) =>
        Core.Get<IQueuedJobs>()
            .ReadHeadsAsync(new(All: true, TimeSpan.Zero, 10, new Dictionary<JobKind, int>(), after ?? []), TestRun.Cancel);

    private async Task FillAsync(string model = "default", string pool = "default", int status = 1, string? reason = null)
    {
        await Core.ExecuteAsync(
            $"""
            WITH filled AS (
                INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq, pool, waiting_reason, due_at)
                SELECT encode(substring(uuid_send(first_job_id(now())) FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
                       @id, 1, {status}, 2, '{model}', 3, 1, '{pool}', {(reason is null ? "NULL" : $"'{reason}'")},
                       now() + CASE WHEN {status} = 5 THEN interval '1 day' ELSE interval '0' END
                  FROM generate_series(1, 20000) n
                RETURNING id, tenant_id
            )
            INSERT INTO job_payloads (job_id, tenant_id, schema_version, input) SELECT id, tenant_id, 1, '{"{}"}' FROM filled
            """,
            ApiKeyStore.DefaultTenant
        );
        await Core.ExecuteAsync("ANALYZE jobs, job_payloads", Guid.Empty);
    }

    /// <summary>How many rows the work has read.</summary>
    private async Task<(T Result, long Reads)> CountAsync<T>(Func<Task<T>> work)
    {
        await EndSessionsAsync();
        await Core.ExecuteAsync("SELECT pg_stat_reset()", Guid.Empty);
        var result = await work();
        await EndSessionsAsync();
        return (result, await Core.ScalarAsync<long>(ReadsSql));
    }

    /// <summary>A session tells what it has read when it ends, and else at some time later.</summary>
    private Task EndSessionsAsync() =>
        Eventually.TrueAsync(
            async _ =>
            {
                Core.HotPath.Clear();
                Core.Rounds.Clear();
                Core.Get<NpgsqlDataSource>().Clear();
                Core.Database.Clear();
                return await Core.ScalarAsync<long>(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    ) == 0;
            },
            "all sessions have ended"
        );

    [Fact]
    public async Task However_long_the_line_has_become_since_postgres_looked_it_is_not_read_as_a_whole()
    {
        // The line is empty whenever Postgres takes notice of how many wait.
        await Core.ScalarAsync<int>("ANALYZE jobs; SELECT 1");
        await using var connection = await Core.Rounds.OpenConnectionAsync(TestRun.Cancel);
#pragma warning disable CA2100 // A constant.
        await using var command = new NpgsqlCommand($"EXPLAIN {FindQueuedJobs.HeadsSql}", connection);
#pragma warning restore CA2100
        FindQueuedJobs.Fill(command.Parameters, new HeadsRequest(true, TimeSpan.Zero, 8, new Dictionary<JobKind, int>(), []));

        var plan = string.Join('\n', await command.ReadAllAsync(row => row.GetString(0), TestRun.Cancel));

        Assert.Contains("Merge Append", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("Sort  (", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("Seq Scan on jobs", plan, StringComparison.Ordinal);
    }
}
