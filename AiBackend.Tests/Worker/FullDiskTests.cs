using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>A volume for logs that is full costs logs and nothing else.</summary>
public sealed class FullDiskTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task F_39_a_worker_whose_every_line_of_log_is_refused_goes_on_working()
    {
        var model = await simulator.ModelAsync(new { words = 5 });
        using var worker = await WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            output: "/dev/full",
            ("Logging__LogLevel__Default", "Debug")
        );

        var ids = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Core.SubmitAsync()));
        foreach (var id in ids)
        {
            await Eventually.TrueAsync(
                async _ => await Core.StatusAsync(id) == JobStatus.Completed,
                $"job {id} is done",
                TimeSpan.FromSeconds(60)
            );
        }

        Assert.False(worker.HasExited);
        Assert.Empty(worker.Output);
    }
}
