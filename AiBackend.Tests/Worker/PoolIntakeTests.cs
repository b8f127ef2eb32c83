using System.Threading.Channels;
using AiBackend.Core.Queue;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulation;
using AiBackend.Worker.Execution;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Worker;

/// <summary>How often it looks for jobs that come straight from Postgres.</summary>
public sealed class PoolIntakeTests
{
    [Theory]
    [InlineData(0, 250)]
    [InlineData(12, 250)]
    [InlineData(100, 2_000)]
    [InlineData(60_000, 10_000)]
    public async Task What_took_long_to_find_nothing_is_done_the_less_often(int took, int pause)
    {
        var clock = new FakeTime();
        using var looks = new SemaphoreSlim(0);
        var answers = Channel.CreateUnbounded<Guid[]>();
        using var stop = new CancellationTokenSource();
        // It finds nothing, so that it asks nobody but the clock.
        using var intake = new PoolIntake(
            null!,
            null!,
            null!,
            null!,
            new ReachableStorage(),
            null!,
            null!,
            null!,
            null!,
            null!,
            clock,
            NullLogger<PoolIntake>.Instance
        );

        var serving = intake.ServeAsync(
            QueuePools.Default,
            1,
            (_, token) =>
            {
                looks.Release();
                return answers.Reader.ReadAsync(token).AsTask();
            },
            stop.Token
        );
        for (var look = 0; look < 3; look++)
        {
            await looks.WaitAsync(TestRun.Cancel);
            clock.Advance(TimeSpan.FromMilliseconds(took));
            answers.Writer.TryWrite([]);
            await clock.WaitForTimerAsync(TimeSpan.FromMilliseconds(pause), TestRun.Cancel);
            clock.Advance(TimeSpan.FromMilliseconds(pause));
        }

        await stop.CancelAsync();
        await serving;
    }
}
