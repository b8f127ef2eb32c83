using System.Security.Cryptography;
using System.Text;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Database;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Chaos;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.DeadLetters;

/// <summary>Many bulk actions side by side, and what is left of them when they have ended.</summary>
public sealed class BulkTurnsTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly Guid Tenant = ApiKeyStore.DefaultTenant;

    // Of another tenant, begun before and due for longer, with letters that are gone: one a second is skipped.
    private const string SlowActionsSql = """
        WITH actions AS (
            INSERT INTO bulk_actions (id, tenant_id, kind, stage, canary, rate, total, created_by, created_at, next_step_at)
            SELECT gen_random_uuid(), @id, 1, 3, false, 1, 1000, 'key', now() - interval '1 hour', now() - interval '1 hour'
              FROM generate_series(1, 150)
            RETURNING id, tenant_id
        )
        INSERT INTO bulk_items (action_id, job_id, tenant_id, stage)
        SELECT id, gen_random_uuid(), tenant_id, 3 FROM actions, generate_series(1, 100)
        """;

    [Fact]
    public async Task However_many_actions_others_have_everybody_has_turns()
    {
        await Core.DieAsync();
        await Core.ExecuteAsync(SlowActionsSql, Guid.CreateVersion7());
        var id = await BegunAsync(Order());

        await Core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);
        await Core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);

        Assert.Equal(1, (await FindAsync(id)).Done);
    }

    [Fact]
    public async Task An_action_whose_step_fails_keeps_back_nobody_and_says_so()
    {
        await Core.DieAsync();
        var broken = await BegunAsync(Order());
        await Core.DieAsync(Dying.Timeout with { Code = "other" });
        await Core.ExecuteAsync(
            $"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
            CREATE TRIGGER refuse BEFORE UPDATE ON bulk_items FOR EACH ROW WHEN (OLD.action_id = '{broken}') EXECUTE FUNCTION refuse();
            """,
            Guid.Empty
        );
        var id = await BegunAsync(Order(filter: new() { Code = "other" }));
        using var log = new LogCount();

        await Leader(log).RunAsync(TestRun.Cancel);
        await Leader(log).RunAsync(TestRun.Cancel);

        Assert.Equal((1, 0), ((await FindAsync(id)).Done, (await FindAsync(broken)).Done));
        // Once: it is not tried again at once.
        Assert.Contains(
            broken.ToString(),
            Assert.Single(log.Lines, line => line.StartsWith("1705 ", StringComparison.Ordinal)),
            StringComparison.Ordinal
        );
        await Core.ExecuteAsync("DROP TRIGGER refuse ON bulk_items; UPDATE bulk_actions SET next_step_at = now()", Guid.Empty);
        await Leader(log).RunAsync(TestRun.Cancel);
        Assert.Equal(1, (await FindAsync(broken)).Done);
    }

    [Fact]
    public async Task A_tenant_begins_no_more_actions_than_may_run_and_another_tenant_does_not_notice()
    {
        var begun = await BegunAsync(Order("first"));
        for (var i = 1; i < BeginBulkAction.MaxRunning; i++)
        {
            await BegunAsync(Order());
        }

        Assert.Equal(new BeginOutcome.TooManyRunning(BeginBulkAction.MaxRunning), await BeginAsync(Order("one more")));
        Assert.Equal(new BeginOutcome.Begun(begun, Repeat: true), await BeginAsync(Order("first")));
        Assert.IsType<BeginOutcome.Begun>(await BeginAsync(Order(tenant: Guid.CreateVersion7())));
        await Core.Get<BulkReads>().CancelAsync(Tenant, begun, TestRun.Cancel);
        await BegunAsync(Order("one more"));
    }

    [Fact]
    public async Task A_key_is_taken_over_after_a_day_and_not_before_by_one_request_of_many()
    {
        var old = await BegunAsync(Order("key"));
        await AgeAsync(old, "23 hours");
        Assert.Equal(new BeginOutcome.Begun(old, Repeat: true), await BeginAsync(Order("key")));
        Assert.Equal(new BeginOutcome.KeyReused(old), await BeginAsync(Order("key", meaning: "another")));

        await AgeAsync(old, "25 hours");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => BeginAsync(Order("key", meaning: "another"))));

        var begun = outcomes.Cast<BeginOutcome.Begun>().ToList();
        Assert.Single(begun, outcome => !outcome.Repeat);
        Assert.NotEqual(old, Assert.Single(begun.Select(outcome => outcome.Id).Distinct()));
        Assert.Equal(("running", 2), ((await FindAsync(old)).Status, await Core.ScalarAsync<int>("SELECT count(*) FROM bulk_actions")));
    }

    [Fact]
    public async Task A_canary_whose_old_letter_went_with_its_week_comes_to_its_end()
    {
        var old = await Core.DieAsync();
        var id = await BegunAsync(Order(canary: true));
        await StepAsync();
        await Core.ExecuteAsync("DELETE FROM dead_letters WHERE job_id = @id", old);
        await Core.EndAsync(await NewJobAsync(id), AttemptEnd.FailedForGood(Dying.Timeout));
        await Core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);

        for (var stage = 1; stage <= 3; stage++)
        {
            await StepAsync();
        }

        Assert.Equal(("completed", 1L), ((await FindAsync(id)).Status, (await FindAsync(id)).Done));
    }

    [Fact]
    public async Task An_action_that_has_ended_is_counted_once_all_its_new_jobs_have_ended_and_never_again()
    {
        await Core.DieAsync();
        await Core.DieAsync();
        var id = await BegunAsync(Order(rate: 4));
        await StepAsync();
        await Core.Get<BulkReads>().CancelAsync(Tenant, id, TestRun.Cancel);

        await CountAsync();
        Assert.Equal(new BulkOutcomes(1, 0, 0, 0), (await FindAsync(id)).Outcomes);
        await Core.EndAsync(await NewJobAsync(id), AttemptEnd.Succeeded("yes"));
        var before = await FindAsync(id);
        await CountAsync();
        Assert.Equal(0, await ScansOfOneListAsync());
        // Whoever counts again finds nothing.
        await Core.ExecuteAsync("DELETE FROM bulk_items WHERE action_id = @id", id);

        Assert.Equal((1L, 1L, new BulkOutcomes(0, 1, 0, 0)), (before.Done, before.Waiting, before.Outcomes));
        foreach (
            var after in new[] { await FindAsync(id), Assert.Single(await Core.Get<BulkReads>().ListAsync(Tenant, 50, TestRun.Cancel)) }
        )
        {
            Assert.Equal((1L, 1L, 0L, before.Outcomes), (after.Done, after.Waiting, after.Skipped, after.Outcomes));
        }

        Assert.False(await Core.Get<CountBulkActions>().RunAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task A_preview_counts_no_further_than_one_letter_more_than_an_action_may_take()
    {
        await Core.ExecuteAsync(
            """
            SET statement_timeout = '2min';
            INSERT INTO dead_letters (job_id, tenant_id, class, code, fingerprint)
            SELECT gen_random_uuid(), @id, 'transient', 'x', 'y' FROM generate_series(1, 100500)
            """,
            Tenant
        );

        var preview = await Core.Get<PreviewBulkAction>().RunAsync(new(Tenant, new DeadLetterFilter(), null), TestRun.Cancel);

        Assert.Equal(BeginBulkAction.MaxLetters + 1, preview.Letters);
    }

    /// <summary>How often the letters of actions are gone through for one list.</summary>
    private async Task<long> ScansOfOneListAsync()
    {
        // One connection: it reports what it did when it is told to. Others report at a time of their own, and mostly what they did before this.
        await using var single = DatabaseRegistration.Open(Db.ConnectionString + ";Maximum Pool Size=1");
        var before = await ScansAsync();
        Assert.Single(await new BulkReads(single).ListAsync(Tenant, 50, TestRun.Cancel));
        return await ScansAsync() - before;

        async Task<long> ScansAsync()
        {
            await using var flush = single.CreateCommand("SELECT pg_stat_force_next_flush()");
            await flush.ExecuteNonQueryAsync(TestRun.Cancel);
            await using var scans = single.CreateCommand(
                "SELECT idx_scan + seq_scan FROM pg_stat_user_tables WHERE relname = 'bulk_items'"
            );
            return (long)(await scans.ExecuteScalarAsync(TestRun.Cancel))!;
        }
    }

    private RunBulkActions Leader(LogCount log) =>
        new(
            Core.Database,
            Core.Get<JobIds>(),
            Core.Get<QueuePools>(),
            Core.Get<IJobSignals>(),
            Core.Get<JobMetrics>(),
            LoggerFactory.Create(logging => logging.AddProvider(log)).CreateLogger<RunBulkActions>()
        );

    private static BulkOrder Order(
        string? key = null,
        string meaning = "",
        bool canary = false,
        int rate = 1000,
        DeadLetterFilter? filter = null,
        Guid? tenant = null
    ) =>
        new(BulkKind.Replay, new BulkSelection(tenant ?? Tenant, filter ?? new(), null), "key")
        {
            Canary = canary,
            Rate = rate,
            IdempotencyKey = key,
            Meaning = key is null ? null : SHA256.HashData(Encoding.UTF8.GetBytes(meaning)),
        };

    private Task<BeginOutcome> BeginAsync(BulkOrder order) => Core.Get<BeginBulkAction>().RunAsync(order, TestRun.Cancel);

    private async Task<Guid> BegunAsync(BulkOrder order) => Assert.IsType<BeginOutcome.Begun>(await BeginAsync(order)).Id;

    private async Task<BulkAction> FindAsync(Guid id) => (await Core.Get<BulkReads>().FindAsync(Tenant, id, TestRun.Cancel))!;

    private Task AgeAsync(Guid id, string age) =>
        Core.ExecuteAsync($"UPDATE bulk_actions SET created_at = now() - interval '{age}' WHERE id = @id", id);

    private async Task<Guid> NewJobAsync(Guid id) =>
        Guid.Parse(
            await Core.ScalarAsync<string>("SELECT new_job_id::text FROM bulk_items WHERE action_id = @id AND new_job_id IS NOT NULL", id)
        );

    private async Task StepAsync()
    {
        await Core.ExecuteAsync("UPDATE bulk_actions SET next_step_at = now()", Guid.Empty);
        await Core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);
    }

    private async Task CountAsync()
    {
        await Core.ExecuteAsync("UPDATE bulk_actions SET next_step_at = now()", Guid.Empty);
        Assert.True(await Core.Get<CountBulkActions>().RunAsync(TestRun.Cancel));
    }
}
