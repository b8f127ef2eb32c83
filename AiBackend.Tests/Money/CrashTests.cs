using AiBackend.Core.Money;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>A worker that dies around a call leaves books that are right.</summary>
public sealed class CrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly RedisServer _redis = redis;

    [Theory]
    [InlineData("K8", CallState.Released)]
    [InlineData("K9", CallState.Unknown)]
    public async Task F_2_a_worker_killed_at_K8_or_K9_is_billed_for_what_it_had_sent_and_for_nothing_else(string point, CallState left)
    {
        var model = await simulator.ModelAsync(new { words = 3 });
        var budget = await Core.BudgetAsync(1m);
        var id = await Core.SubmitAsync(CoreHost.Draft() with { Model = model });

        using (var dying = await StartAsync(model, ("AIBACKEND_FAULT", $"{point}[{model}]:kill")))
        {
            await dying.WaitForExitAsync();
        }

        var held = await Core.ReadAsync(budget);
        Assert.True(held.ReservedUsd > 0);
        await Core.BuryAsync();
        using var worker = await StartAsync(model);
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE state = 2") == 1,
            "the job ran again",
            TimeSpan.FromSeconds(60)
        );

        var calls = await Core.CallsAsync(id);
        Assert.Equal([left, CallState.Settled], calls.Select(call => call.State));
        // Nobody knows what it wrote: what was likely counts, and not all that its answer might have had.
        var likely = await Core.ScalarAsync<decimal>("SELECT expected_usd FROM provider_calls WHERE lease_epoch = 1");
        Assert.InRange(likely, 0.000001m, held.ReservedUsd);
        Assert.Equal(left == CallState.Released ? 0m : likely, calls[0].Cost);
        await Core.UntilAsync(budget, calls.Sum(call => call.Cost!.Value), 0m);
        // The provider's log has exactly the calls that are not released.
        var received = await simulator.CallsAsync(model, TestRun.Cancel);
        Assert.Equal(calls.Count(call => call.State != CallState.Released), received.Count);
        Assert.Contains(received, call => call.GetProperty("request_id").GetString() == $"{id}-2-0");
    }

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [.. WorkerProcess.ShortLeases, .. WorkerProcess.PricesOf(model), .. settings]
        );
}
