using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Knowledge;

/// <summary>Leaders that die while passages are turned into vectors.</summary>
public sealed class KnowledgeCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Model = "sim-embed-crash";

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task K30_a_leader_that_dies_between_vectors_and_their_commit_is_followed_by_one_that_goes_on_and_each_passage_has_one()
    {
        const int Passages = 40;
        await simulator.BehaveAsync(Model, new { });
        for (var i = 0; i < Passages; i++)
        {
            await Core.AddPassageAsync("c", $"s{i}", $"passage number {i}");
        }

        using (var dying = await StartAsync(("AIBACKEND_FAULT", $"K30[{Model}]:kill@2")))
        {
            await dying.WaitForExitAsync();
            Assert.True(dying.ExitCode is not 0 and not 134, $"{dying.ExitCode}: {dying.Output}");
        }

        // The first call's are all there, and of the second's none.
        Assert.Equal(32, await Core.ScalarAsync<int>("SELECT count(*) FROM knowledge_chunks WHERE vector IS NOT NULL"));
        await Core.BuryAsync();
        using var next = await StartAsync();
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count(*) FROM knowledge_chunks WHERE vector IS NULL") == 0,
            "every passage has a vector",
            TimeSpan.FromSeconds(60)
        );

        Assert.Equal(Passages, await Core.ScalarAsync<int>("SELECT count(*) FROM knowledge_chunks WHERE vector_model = '" + Model + "'"));
        Assert.Equal(3, (await simulator.CallsAsync(Model, TestRun.Cancel)).Count);
        // What nobody said the end of is in the ledger until it is booked as unknown.
        Assert.Equal(3, await Core.ScalarAsync<int>("SELECT count(*) FROM provider_calls WHERE lease_epoch = 0"));
    }

    private Task<WorkerProcess> StartAsync(params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, Model),
            [("Knowledge__EmbeddingModel", Model), .. WorkerProcess.ShortLeases, .. settings]
        );
}
