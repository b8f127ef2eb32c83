using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Queue;

/// <summary>What callers are told of their wait.</summary>
public sealed class OutlookTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Theory]
    [InlineData(0, 1.0)]
    [InlineData(3, 0.5)]
    [InlineData(40, 10.0)]
    public void The_forecast_is_right_for_ends_that_come_at_random(int ahead, double perSecond)
    {
        var (p50, p90) = Forecast.Of(ahead, perSecond);
        var random = new Random(1);
        var waits = Enumerable
            .Range(0, 20_000)
            .Select(_ => Enumerable.Range(0, ahead + 1).Sum(_ => -Math.Log(1 - random.NextDouble()) / perSecond))
            .ToList();

        Assert.InRange(waits.Count(wait => wait <= p50) / 20_000.0, 0.48, 0.52);
        Assert.InRange(waits.Count(wait => wait <= p90) / 20_000.0, 0.88, 0.92);
    }

    [Fact]
    public async Task A_job_that_comes_to_a_line_is_told_its_place_and_its_wait_in_the_answer_the_job_and_the_event()
    {
        var outlook = Core.Get<LineOutlook>();
        // Not by the same: it would begin to read, and what it has read may come after what is read below.
        var ignorant = new LineOutlook(
            Core.Get<NpgsqlDataSource>(),
            Core.Get<JobEstimates>(),
            Core.Get<LimitOutlook>(),
            TimeProvider.System
        );
        Assert.Null(ignorant.Foresee(CoreHost.Draft()).Place);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Core.SubmitAsync()));
        await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });
        var flow = Core.Get<LineFlow>();
        flow.Note(slots: 2, hasLine: true);
        flow.Ended(count: 1000, seconds: 1000);
        await Core.Get<PublishOutlook>().RunAsync(TestRun.Cancel);
        await outlook.RefreshAsync(TestRun.Cancel);

        var draft = outlook.Foresee(CoreHost.Draft());
        var id = await Core.SubmitAsync(draft);

        var (p50, p90) = Forecast.Of(3, 1);
        var place = Assert.IsType<QueuePlace>(draft.Place);
        Assert.Equal((3, Math.Round(p50, 2), Math.Round(p90, 2)), (place.Position, place.EtaP50, place.EtaP90));
        var job = outlook.Describe((await Core.Reads.FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!, ApiKeyStore.DefaultTenant);
        Assert.Equal((3, place.EtaP50), (job.Queue!.Position, job.Queue.EtaP50));
        Assert.Contains("\"position\":3,\"eta_p50\":", (await Core.EventsAsync(id))[0].Data, StringComparison.Ordinal);
        var claimed = Assert.Single(await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel));
        Assert.Equal(place.EtaP90!.Value, claimed.Eta!.Value.P90, precision: 4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task A_job_that_comes_back_to_a_line_is_told_the_same_as_one_that_is_new(int perSecond)
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { NotBefore = DateTimeOffset.MaxValue.AddYears(-1000) });
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Core.SubmitAsync()));
        await Core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });
        var flow = Core.Get<LineFlow>();
        flow.Note(slots: 2, hasLine: true);
        flow.Ended(count: 1000 * perSecond, seconds: 1000);
        await Core.Get<PublishOutlook>().RunAsync(TestRun.Cancel);
        await Core.Get<LineOutlook>().RefreshAsync(TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", id);

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        var told = Core.Get<LineOutlook>().Foresee(CoreHost.Draft()).Place!;
        Assert.Equal(
            new StateEvent(JobStatuses.Queued, 0, told.WaitingReason, null, told.Position, told.EtaP50, told.EtaP90),
            JsonSerializer.Deserialize((await Core.EventsAsync(id))[^1].Data, WireJson.Default.StateEvent)
        );
    }

    [Fact]
    public async Task A_job_that_must_run_alone_is_told_so_and_no_place()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { NotBefore = DateTimeOffset.MaxValue.AddYears(-1000) });
        await Core.SubmitAsync();
        Core.Get<LineFlow>().Note(slots: 2, hasLine: true);
        await Core.Get<PublishOutlook>().RunAsync(TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now(), crash_count = 2 WHERE id = @id", id);

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        Assert.Equal("""{"status":"queued","attempt":0,"waiting_reason":"isolation"}""", (await Core.EventsAsync(id))[^1].Data);
    }

    [Fact]
    public async Task How_many_jobs_began_when_they_were_told_to_is_told_to_operators()
    {
        var stats = new StatsReads(Core.Database, Core.Get<QueuePools>(), TimeProvider.System);
        Assert.Null((await stats.ReadAsync(TimeSpan.FromMinutes(15), TestRun.Cancel)).Calibration);

        // Told 2 s, or 5 s at most.
        foreach (var waited in (int[])[1, 2, 4, 9])
        {
            var id = await Core.SubmitAsync(CoreHost.Draft() with { Place = new QueuePlace(3, 2, 5, null) });
            await Core.ExecuteAsync(
                FormattableString.Invariant($"UPDATE jobs SET created_at = now() - interval '{waited} seconds' WHERE id = @id"),
                id
            );
            var running = await Core.ClaimAsync(id);
            await Core.ExecuteAsync(
                FormattableString.Invariant($"UPDATE jobs SET claimed_at = created_at + interval '{waited} seconds' WHERE id = @id"),
                id
            );
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("done")));
        }

        var calibration = (await stats.ReadAsync(TimeSpan.FromMinutes(15), TestRun.Cancel)).Calibration;

        Assert.Equal(new Calibration(4, 0.5, 0.75), calibration);
    }

    [Fact]
    public async Task What_nobody_keeps_up_to_date_is_not_told()
    {
        Core.Get<LineFlow>().Note(slots: 2, hasLine: true);
        await Core.SubmitAsync();
        await Core.Get<PublishOutlook>().RunAsync(TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE line_outlook SET at = now() - interval '11 seconds' WHERE @id IS NOT NULL", Guid.Empty);

        await Core.Get<LineOutlook>().RefreshAsync(TestRun.Cancel);

        Assert.Null(Core.Get<LineOutlook>().Foresee(CoreHost.Draft()).Place);
    }
}
