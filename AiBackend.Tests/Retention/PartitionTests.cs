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

    private JobPartitions Partitions => new(Core.Database);

    [Fact]
    public async Task A_partition_goes_with_all_that_belongs_to_its_jobs_when_the_last_of_them_has_ended()
    {
        var failed = await Core.SubmitAsync();
        var waiting = await Core.SubmitAsync();
        var later = await SubmitAtAsync(TimeProvider.System.GetUtcNow().AddDays(10));
        await EndAsync(failed, AttemptEnd.FailedForGood(new("provider_unavailable", "transient", "Away.", true)));
        await EndAsync(waiting, AttemptEnd.AskedForTool(new JobQuestion("{}")));
        Assert.Empty(await Partitions.DropOldAsync(FromNextWeek, TestRun.Cancel));

        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, waiting, TestRun.Cancel);
        Assert.Empty(await Partitions.DropOldAsync(TimeSpan.FromDays(2), TestRun.Cancel));
        Assert.Equal(["first"], await Partitions.DropOldAsync(FromNextWeek, TestRun.Cancel));

        Assert.Null(await Core.Reads.FindForEventAsync(failed, TestRun.Cancel));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE job_id <> @id", later));
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters") + await Core.ScalarAsync<int>("SELECT count(*) FROM job_waits")
        );
        await EndAsync(later, AttemptEnd.Succeeded("still here"));
        Assert.Equal("still here", (await Core.Reads.FindForEventAsync(later, TestRun.Cancel))!.Output!.Text);
        // And so is a place for what a clock that is slow dates back.
        await EndAsync(await SubmitAtAsync(TimeProvider.System.GetUtcNow()), AttemptEnd.Succeeded("late"));
    }

    [Fact]
    public async Task A_job_that_appears_between_the_look_and_the_drop_keeps_its_partition()
    {
        await EndAsync(await Core.SubmitAsync(), AttemptEnd.Succeeded("old"));
        var appeared = await Core.SubmitAsync();

        var refusal = await Assert.ThrowsAsync<PostgresException>(() =>
            Core.ExecuteAsync("SELECT drop_job_partition('first')", Guid.Empty)
        );

        Assert.Equal("AI002", refusal.SqlState);
        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(appeared));
    }

    [Theory]
    [InlineData(1970)]
    [InlineData(2999)]
    public async Task A_job_dated_by_a_wrong_clock_is_accepted_run_and_one_day_deleted(int year)
    {
        var id = await SubmitAtAsync(new DateTimeOffset(year, 6, 1, 0, 0, 0, TimeSpan.Zero));

        await EndAsync(id, AttemptEnd.Succeeded("in time"));

        Assert.Equal("in time", (await Core.Reads.FindForEventAsync(id, TestRun.Cancel))!.Output!.Text);
        await Partitions.PruneDefaultAsync(TimeSpan.FromDays(2), TestRun.Cancel);
        Assert.NotNull(await Core.Reads.FindForEventAsync(id, TestRun.Cancel));
        await Partitions.PruneDefaultAsync(-TimeSpan.FromDays(1), TestRun.Cancel);
        await Partitions.DropOldAsync(FromNextWeek, TestRun.Cancel);
        Assert.Null(await Core.Reads.FindForEventAsync(id, TestRun.Cancel));
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE job_id = @id", id));
    }

    [Fact]
    public async Task Weeks_are_added_once_and_a_week_that_nobody_made_in_time_stays_in_the_default_partition()
    {
        var before = await Core.ScalarAsync<int>("SELECT count(*) FROM job_partitions()");
        Assert.Equal(0, await Partitions.AddAheadAsync(TestRun.Cancel));

        // Somebody comes back after a break: jobs of a week without a partition are there already.
        var unmade = await SubmitAtAsync(TimeProvider.System.GetUtcNow().AddDays(49));
        var added = await Core.ScalarAsync<int>("SELECT add_job_partitions(now() + interval '70 days')");

        Assert.Equal(before + added, await Core.ScalarAsync<int>("SELECT count(*) FROM job_partitions()"));
        Assert.InRange(added, 4, 6);
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_default WHERE id = @id", unmade));
        await EndAsync(unmade, AttemptEnd.Succeeded("done"));
        await SubmitAtAsync(TimeProvider.System.GetUtcNow().AddDays(60));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs_default"));
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

            var busy = await Assert.ThrowsAsync<PostgresException>(() => Partitions.DropOldAsync(FromNextWeek, TestRun.Cancel));
            Assert.Equal(PostgresErrorCodes.LockNotAvailable, busy.SqlState);
            // Whoever was behind it in the line goes on.
            await Core.SubmitAsync(CoreHost.Draft() with { Id = JobIds.FirstOf(TimeProvider.System.GetUtcNow().AddDays(10)) });
        }

        var both = await Task.WhenAll(
            Enumerable
                .Range(0, 2)
                .Select(async _ =>
                {
                    try
                    {
                        return (await Partitions.DropOldAsync(FromNextWeek, TestRun.Cancel)).Count;
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
