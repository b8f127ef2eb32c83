using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>Whoever cancels at the first word pays for what the provider was asked.</summary>
public sealed class CancelledCallTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public Task A_48_jobs_that_are_cancelled_after_their_first_text_are_paid_for_all_the_same() => CancelAsync(60);

    [Fact]
    [Trait("Category", "Long")]
    public Task A_48_a_thousand_jobs_that_are_cancelled_after_their_first_text_are_paid_for_too() => CancelAsync(1000);

    private async Task CancelAsync(int jobs)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 1000, interval_ms = 50 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [
                ("Money:Prices:0:Provider", "p0"),
                ("Money:Prices:0:Model", model),
                ("Money:Prices:0:Input", "1"),
                ("Money:Prices:0:Output", "2"),
            ]
        );

        await Task.WhenAll(Enumerable.Range(0, jobs).Select(_ => CancelAfterFirstTextAsync(worker)));

        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state IN (0, 1)") == 0,
            "all calls are settled"
        );
        Assert.Equal(jobs, (await simulator.CallsAsync(model, TestRun.Cancel)).Count);
        Assert.Equal(jobs, await worker.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE cost_usd > 0"));
        Assert.Equal(jobs, await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 9"));
    }

    private static async Task CancelAfterFirstTextAsync(CoreHost worker)
    {
        var job = CoreHost.Draft();
        await worker.SubmitAsync(job);
        await foreach (var record in worker.Get<JobEventReader>().WatchAsync(job.Id, 0, TestRun.Cancel))
        {
            if (record.Kind == JobEventKind.Delta)
            {
                await worker.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, job.Id, TestRun.Cancel);
            }
        }
    }
}
