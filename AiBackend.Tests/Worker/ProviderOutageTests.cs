using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Telemetry;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Worker;

/// <summary>A provider that is down: others answer in its place, or jobs wait for it; it is asked now and then, and used again when it is well.</summary>
public sealed class ProviderOutageTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly FakeTime _clock = new();

    [Fact]
    public async Task F_25_a_primary_that_cuts_its_streams_is_left_alone_until_it_is_well_and_another_answers()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var primary = await simulator.ModelAsync(new { words = 10, cut_after_tokens = 3 });
        await using var worker = await StartAsync(database, primary, await simulator.ModelAsync(new { words = 4 }));

        // As many as it takes; each of them may be cut several times.
        await SubmitAsync(worker, 5);
        await worker.UntilAsync(async () => await CountAsync(worker, "status = 6") == 5, "the second provider answers");
        var asked = await CallsAsync(primary);
        Assert.True(asked >= 5, $"The primary was asked {asked} times.");
        foreach (var id in await SubmitAsync(worker, 6))
        {
            await worker.UntilAsync(async () => await worker.StatusAsync(id) == JobStatus.Completed, "it is answered");
            var attempt = Assert.Single((await TraceAsync(worker, id)).Attempts);
            Assert.Equal(["p0:provider_circuit_open", "p1:"], attempt.Calls.Select(call => $"{call.Provider}:{call.Error?.Code}"));
        }

        Assert.Equal(asked, await CallsAsync(primary));

        await simulator.BehaveAsync(primary, new { words = 4 });
        _clock.Advance(TimeSpan.FromMinutes(1));
        for (var run = 0; run < 3; run++)
        {
            Assert.Equal("p0", (await worker.RunJobAsync(CoreHost.Draft())).ServedBy?.Provider);
        }
    }

    [Fact]
    public async Task F_29_jobs_wait_for_the_only_provider_with_the_reason_ask_it_once_a_while_and_keep_their_tries()
    {
        const int Jobs = 20;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        await using var worker = await StartAsync(database, model);
        var ids = await SubmitAsync(worker, Jobs, maxAttempts: 4);
        const string Waits = "status = 5 AND waiting_reason = 'provider_down:p0'";
        await worker.UntilAsync(async () => await CountAsync(worker, Waits) == Jobs, "all wait and say why");

        // Some may be looking again already.
        var job = (
            await Eventually.GetAsync(token => worker.Reads.FindAsync(ids[0], token), read => read!.Status == "retrying", "it waits again")
        )!;
        Assert.Equal(("retrying", "provider_circuit_open"), (job.Status, job.Error!.Code));
        Assert.NotNull(job.NextAttemptAt);
        await UntilToldAsync(worker, "0");
        var asked = await CallsAsync(model);
        await UntilLookedAtAsync(worker);
        Assert.Equal(asked, await CallsAsync(model));

        _clock.Advance(TimeSpan.FromSeconds(15));
        await worker.UntilAsync(async () => await CallsAsync(model) > asked, "somebody finds out whether it is well");
        await UntilLookedAtAsync(worker);
        Assert.Equal(asked + 1, await CallsAsync(model));

        await simulator.BehaveAsync(model, new { words = 2 });
        _clock.Advance(TimeSpan.FromMinutes(1));
        await worker.UntilAsync(async () => await CountAsync(worker, "status = 6") == Jobs, "all are done once it is well");
        Assert.Equal(0, await CountAsync(worker, "attempt - excused > 3"));
        await UntilToldAsync(worker);
    }

    [Fact]
    public async Task F_29_a_job_waits_for_a_provider_no_longer_than_its_deadline()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        await using var worker = await StartAsync(database, model);
        await SubmitAsync(worker, 6, maxAttempts: 4);
        await worker.UntilAsync(async () => await CountAsync(worker, "waiting_reason = 'provider_down:p0'") == 6, "it is down");
        var asked = await CallsAsync(model);

        var draft = CoreHost.Draft() with { Deadline = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(3) };
        var job = await worker.RunJobAsync(draft);

        Assert.Equal(("failed", "deadline_exceeded"), (job.Status, job.Error!.Code));
        Assert.All((await TraceAsync(worker, draft.Id)).Attempts, attempt => Assert.Equal("interrupted", attempt.Outcome));
        Assert.Equal(asked, await CallsAsync(model));
    }

    /// <summary>A worker whose breakers have a clock that moves when told.</summary>
    private Task<CoreHost> StartAsync(TestDatabase database, params string[] models) =>
        WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [.. models.Select(model => (simulator.Address, model))],
            // Turns are kept by the clock of Postgres, which does not move when told.
            [("CircuitBreaker:ProbeEvery", "00:00:00")],
            builder =>
                builder.Services.AddSingleton(services => new CircuitBreakers(
                    services.GetRequiredService<IOptions<CircuitOptions>>(),
                    services.GetRequiredService<IProbeTurns>(),
                    services.GetRequiredService<ProviderMetrics>(),
                    _clock,
                    Random.Shared,
                    services.GetRequiredService<ILogger<CircuitBreakers>>()
                ))
        );

    private static async Task<IReadOnlyList<Guid>> SubmitAsync(CoreHost worker, int jobs, int maxAttempts = 20) =>
        await Task.WhenAll(Enumerable.Range(0, jobs).Select(_ => worker.SubmitAsync(CoreHost.Draft() with { MaxAttempts = maxAttempts })));

    private async Task<int> CallsAsync(string model) => (await simulator.CallsAsync(model, TestRun.Cancel)).Count;

    private static Task<long> CountAsync(CoreHost worker, string condition) =>
        worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE " + condition);

    private static async Task<JobTrace> TraceAsync(CoreHost worker, Guid id) =>
        (await worker.Get<JobTraces>().FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel))!;

    /// <summary>Until the others can read which providers this worker does not ask.</summary>
    private static Task UntilToldAsync(CoreHost worker, params string[] providers) =>
        Eventually.TrueAsync(
            async _ =>
                (await worker.Get<DownDeployments>().LatestAsync())
                    ?.Select(each => (each.Provider, each.ToAll, each.IsProbed))
                    .SequenceEqual(providers.Select(provider => ("p" + provider, true, false))) == true,
            "what is down is told"
        );

    /// <summary>Until every job has had two more attempts.</summary>
    private static async Task UntilLookedAtAsync(CoreHost worker)
    {
        var least = await worker.ScalarAsync<long>("SELECT max(attempt) FROM jobs") + 2;
        await worker.UntilAsync(async () => await CountAsync(worker, $"attempt < {least}") == 0, "all have looked again");
    }
}
