using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Queue;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Contracts;

/// <summary>How often a model keeps its contract at once is known of each model, to who asks and to who measures.</summary>
public sealed class ContractRateTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Schema = """{"type":"object","properties":{"total":{"type":"number"}},"required":["total"]}""";

    [Fact]
    public async Task Stats_and_metric_tell_how_many_first_answers_of_each_model_kept_their_contract()
    {
        var (weak, better) = (await simulator.ModelAsync(new { json = "valid" }), await simulator.ModelAsync(new { json = "valid" }));
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, weak), (simulator.Address, better));
        using var measured = new Measurements(worker.Get<IMeterFactory>(), "AiBackend.Jobs");

        // What was mended, by us or by the model itself, has not passed at once; what stays wrong has not either.
        await RunAsync(worker, weak, "valid", "fenced", "wrong_once", "wrong_type");
        await RunAsync(worker, better, "valid", "wrong_once", "valid");

        var stats = await new StatsReads(worker.Database, worker.Get<QueuePools>(), TimeProvider.System).ReadAsync(
            TimeSpan.FromMinutes(15),
            TestRun.Cancel
        );
        Assert.Equal(
            [("p0", weak, 4L, 1L), ("p1", better, 3L, 2L)],
            stats.Contracts.Select(rate => (rate.Provider, rate.Model, rate.Answers, rate.FirstPass))
        );
        string[] expected =
        [
            $"{weak} {Verdicts.Valid} True",
            // Mended without another call.
            $"{weak} {Verdicts.Valid} False",
            $"{weak} {Verdicts.Schema} False",
            $"{weak} {Verdicts.Valid} False",
            $"{weak} {Verdicts.Schema} False",
            $"{weak} {Verdicts.Schema} False",
            $"{better} {Verdicts.Valid} True",
            $"{better} {Verdicts.Schema} False",
            $"{better} {Verdicts.Valid} False",
            $"{better} {Verdicts.Valid} True",
        ];
        await Eventually.TrueAsync(
            () => measured.Of("aibackend.contract.checks").Sum(each => each.Value) >= expected.Length,
            "every look at an answer is measured"
        );
        Assert.Equal(
            expected.Order(StringComparer.Ordinal),
            measured
                .Of("aibackend.contract.checks")
                .Select(each =>
                    $"{each.Tags["gen_ai.request.model"]} {each.Tags["aibackend.contract.verdict"]} {each.Tags["aibackend.contract.first_pass"]}"
                )
                .Order(StringComparer.Ordinal)
        );
    }

    /// <summary>A job for each way to answer, one after the other.</summary>
    private async Task RunAsync(CoreHost worker, string model, params IEnumerable<string> answers)
    {
        foreach (var json in answers)
        {
            await simulator.BehaveAsync(model, new { json });
            var job = await worker.RunJobAsync(
                CoreHost.Draft() with
                {
                    Model = model,
                    Terms = new JobTerms { Contract = Contract.OfSchema(Schema) }.ToColumn(),
                    InputVersion = JobSchema.Terms,
                }
            );
            Assert.Equal(json == "wrong_type" ? "failed" : "completed", job.Status);
        }
    }
}
