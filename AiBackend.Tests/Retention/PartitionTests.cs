using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Retention;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Retention;

/// <summary>Jobs age by whole partitions: made ahead, dropped together, never with unfinished work.</summary>
public sealed class PartitionTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    // The first partition ends within a week from now: it is old to someone who lives in the week after.
    private static readonly TimeSpan FromNextWeek = -TimeSpan.FromDays(14);

    // In the second partition, whatever day it is.
    private static DateTimeOffset NextWeek
    {
        get
        {
            var today = new DateTimeOffset(TimeProvider.System.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
            return today.AddDays(10 - ((int)today.DayOfWeek + 6) % 7);
        }
    }

    private JobPartitions Partitions => new(Core.Database);

    [Fact]
    public async Task A_partition_goes_with_all_that_belongs_to_its_jobs_when_the_last_of_them_has_ended()
    {
        var failed = await Core.SubmitAsync();
        var waiting = await Core.SubmitAsync();
        var later = await SubmitAtAsync(NextWeek);
        await EndAsync(failed, AttemptEnd.FailedForGood(new("provider_unavailable", "transient", "Away.", true)));
        await EndAsync(waiting, AttemptEnd.AskedForTool(new JobQuestion("{}")));
        Assert.Empty(await DropOldAsync(FromNextWeek));

        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, waiting, TestRun.Cancel);
        Assert.Empty(await DropOldAsync(TimeSpan.FromDays(2)));
        Assert.Equal(["first"], await DropOldAsync(FromNextWeek));

        Assert.Null(await Core.Reads.FindAsync(failed, TestRun.Cancel));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE job_id <> @id", later));
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters") + await Core.ScalarAsync<int>("SELECT count(*) FROM job_waits")
        );
        await EndAsync(later, AttemptEnd.Succeeded("still here"));
        Assert.Equal("still here", (await Core.Reads.FindAsync(later, TestRun.Cancel))!.Output!.Text);
        // And so is a place for what a clock that is slow dates back.
        await EndAsync(await SubmitAtAsync(TimeProvider.System.GetUtcNow()), AttemptEnd.Succeeded("late"));
    }

    [Theory]
    [InlineData(JobStatus.Queued, "default")]
    [InlineData(JobStatus.Queued, "heavy")]
    [InlineData(JobStatus.WaitingForTool, "default")]
    [InlineData(JobStatus.WaitingForReview, "default")]
    public async Task A_job_that_appears_between_the_look_and_the_drop_keeps_its_partition(JobStatus status, string pool)
    {
        await EndAsync(await Core.SubmitAsync(), AttemptEnd.Succeeded("old"));
        var appeared = await Core.SubmitAsync(CoreHost.Draft() with { Pool = pool });
        await Core.ExecuteAsync(FormattableString.Invariant($"UPDATE jobs SET status = {status:D} WHERE id = @id"), appeared);

        var refusal = await Assert.ThrowsAsync<PostgresException>(() =>
            Core.ExecuteAsync("SELECT drop_job_partition('first')", Guid.Empty)
        );

        Assert.Equal("AI002", refusal.SqlState);
        Assert.Equal(status, await Core.StatusAsync(appeared));
    }

    [Theory]
    [InlineData(1970)]
    [InlineData(2999)]
    public async Task A_job_dated_by_a_wrong_clock_is_accepted_run_and_one_day_deleted(int year)
    {
        var id = await SubmitAtAsync(new DateTimeOffset(year, 6, 1, 0, 0, 0, TimeSpan.Zero));

        await EndAsync(id, AttemptEnd.Succeeded("in time"));

        Assert.Equal("in time", (await Core.Reads.FindAsync(id, TestRun.Cancel))!.Output!.Text);
        await Partitions.PruneDefaultAsync(TimeSpan.FromDays(2), TestRun.Cancel);
        Assert.NotNull(await Core.Reads.FindAsync(id, TestRun.Cancel));
        await Partitions.PruneDefaultAsync(-TimeSpan.FromDays(1), TestRun.Cancel);
        await DropOldAsync(FromNextWeek);
        Assert.Null(await Core.Reads.FindAsync(id, TestRun.Cancel));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE job_id = @id", id));
    }

    [Fact]
    public async Task A_week_that_nobody_made_in_time_takes_in_the_jobs_it_finds_in_the_default_partition()
    {
        Assert.Equal(TestDatabase.DroppedWeeks, await Partitions.AddAheadAsync(new RetentionOptions().WeeksAhead, TestRun.Cancel));
        Assert.Equal(0, await Partitions.AddAheadAsync(new RetentionOptions().WeeksAhead, TestRun.Cancel));
        var before = await Core.ScalarAsync<int>("SELECT count(*) FROM job_partitions()");
        var (ended, queued) = (await SubmitAtAsync(InDays(49)), await SubmitAtAsync(InDays(49)));
        await EndAsync(ended, AttemptEnd.Succeeded("done"));
        var log = (await Core.EventsAsync(ended)).Count;

        // Somebody comes back after a break.
        var added = await Core.ScalarAsync<int>("SELECT add_job_partitions(now() + interval '70 days')");

        Assert.Equal(before + added, await Core.ScalarAsync<int>("SELECT count(*) FROM job_partitions()"));
        Assert.InRange(added, 5, 7);
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_default")
                + await Core.ScalarAsync<int>("SELECT count(*) FROM job_events_default")
                + await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads_default")
        );
        Assert.Equal("done", (await Core.Reads.FindAsync(ended, TestRun.Cancel))!.Output!.Text);
        Assert.Equal(log, (await Core.EventsAsync(ended)).Count);
        await EndAsync(queued, AttemptEnd.Succeeded("too"));
        // A new week has all that another one has.
        const string Indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'jobs_' || ({0})";
        Assert.Equal(
            await Core.ScalarAsync<int>(Indexes.Replace("{0}", "'default'", StringComparison.Ordinal)),
            await Core.ScalarAsync<int>(
                Indexes.Replace("{0}", "SELECT suffix FROM job_partitions() ORDER BY to_id DESC LIMIT 1", StringComparison.Ordinal)
            )
        );
        var refusal = await Assert.ThrowsAsync<PostgresException>(() =>
            Core.ExecuteAsync("UPDATE jobs SET status = 1 WHERE id = @id", queued)
        );
        Assert.Equal("AI001", refusal.SqlState);
    }

    [Fact]
    public async Task A_week_with_many_jobs_in_the_default_partition_is_left_there_and_emptied_when_they_are_old()
    {
        await FillAsync(2005, "now() + interval '49 days'");
        await SubmitAtAsync(InDays(49));

        await Core.ScalarAsync<int>("SELECT add_job_partitions(now() + interval '70 days')");
        Assert.Equal(2006, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_default"));

        Assert.Equal((2005, 0), await Partitions.PruneDefaultAsync(TimeSpan.FromDays(2), TestRun.Cancel));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_default"));
    }

    [Fact]
    public async Task A_look_that_takes_longer_than_statements_of_the_session_may_comes_to_its_end()
    {
        await EndAsync(await Core.SubmitAsync(), AttemptEnd.Succeeded("old"));
        await Core.ExecuteAsync(
            """
            ALTER FUNCTION job_partition_is_over(text, interval) RENAME TO quick_look;
            CREATE FUNCTION job_partition_is_over(suffix text, keep interval) RETURNS boolean LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_sleep(3);
                RETURN quick_look(suffix, keep);
            END $$;
            """,
            Guid.Empty
        );
        await using var hasty = DatabaseRegistration.Open(Db.ConnectionString + ";Options=-c statement_timeout=2s");

        Assert.Equal(0, await new JobPartitions(hasty).DropIfOverAsync("first", FromNextWeek, TestRun.Cancel));
        // What was allowed to it is not allowed to others on the same connection.
        await using var next = hasty.CreateCommand("SELECT current_setting('statement_timeout')");
        Assert.Equal("2s", await next.ExecuteScalarAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task F_41_two_leaders_who_age_jobs_at_once_do_no_harm_and_neither_waits_long_for_a_lock()
    {
        await EndAsync(await Core.SubmitAsync(), AttemptEnd.Succeeded("old"));
        await using (var reader = await Core.Database.OpenConnectionAsync(TestRun.Cancel))
        {
            await using var held = await reader.BeginTransactionAsync(TestRun.Cancel);
            await using var look = new NpgsqlCommand("SELECT count(*) FROM jobs", reader, held);
            await look.ExecuteScalarAsync(TestRun.Cancel);

            var busy = await Assert.ThrowsAsync<PostgresException>(() => DropOldAsync(FromNextWeek));
            Assert.Equal(PostgresErrorCodes.LockNotAvailable, busy.SqlState);
            // Whoever was behind it in the line goes on.
            await Core.SubmitAsync(CoreHost.Draft() with { Id = JobIds.FirstOf(NextWeek) });
        }

        var both = await Task.WhenAll(
            Enumerable
                .Range(0, 2)
                .Select(async _ =>
                {
                    try
                    {
                        return (await DropOldAsync(FromNextWeek)).Count;
                    }
                    catch (PostgresException gone) when (gone.SqlState == PostgresErrorCodes.UndefinedTable)
                    {
                        // The other was faster; the next round finds nothing to do.
                        return 0;
                    }
                })
        );

        Assert.Equal(1, both.Sum());
    }

    private async Task<IReadOnlyList<string>> DropOldAsync(TimeSpan keep)
    {
        var dropped = new List<string>();
        foreach (var suffix in await Partitions.FindOldAsync(keep, TestRun.Cancel))
        {
            if (await Partitions.DropIfOverAsync(suffix, keep, TestRun.Cancel) is not null)
            {
                dropped.Add(suffix);
            }
        }

        return dropped;
    }

    private static DateTimeOffset InDays(int days) => TimeProvider.System.GetUtcNow().AddDays(days);

    /// <summary>Jobs that ended long ago, dated by a wrong clock.</summary>
    private Task FillAsync(int count, string moment) =>
        Core.ExecuteAsync(
            FormattableString.Invariant(
                $"""
                INSERT INTO jobs (id, tenant_id, type, status, priority, model, max_attempts, last_seq, finished_at)
                SELECT encode(substring(uuid_send(first_job_id({moment})) FOR 6) || substring(uuid_send(gen_random_uuid()) FROM 7), 'hex')::uuid,
                       '{ApiKeyStore.DefaultTenant}', 1, 6, 1, 'default', 3, 1, now() - interval '10 days'
                  FROM generate_series(1, {count}) n
                """
            ),
            Guid.Empty
        );

    private Task<Guid> SubmitAtAsync(DateTimeOffset moment) =>
        Core.SubmitAsync(CoreHost.Draft() with { Id = new JobIds(new FixedClock(moment)).Next() });

    private async Task EndAsync(Guid id, AttemptEnd end)
    {
        using var running = await Core.ClaimAsync(id);
        Assert.True(await running.EndAsync(end));
    }

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
