using System.Diagnostics.Metrics;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Queue;

/// <summary>That slots move from batch to interactive work is measured.</summary>
public sealed class AllocationMetricTests
{
    [Fact]
    public void Shares_and_their_changes_are_told_while_somebody_leads()
    {
        using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        var clock = new FakeTime();
        using var measured = new Measurements(meters, "AiBackend.Jobs");
        var watch = new AllocationWatch(Options.Create(new QueueOptions()), meters, clock, NullLogger<AllocationWatch>.Instance);
        Assert.Empty(measured.Read("aibackend.job.allocation.share"));

        for (var second = 0; second < 30; second++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            watch.Observe(new InteractiveDemand(TimeSpan.FromSeconds(30), 50), slots: 20);
        }

        Assert.Contains(
            measured.Of("aibackend.job.allocation.changes"),
            change => Equals(change.Tags["of"], "batch") && Equals(change.Tags["direction"], "down")
        );
        var shares = measured.Read("aibackend.job.allocation.share").ToDictionary(share => (string)share.Tags["of"]!, share => share.Value);
        Assert.Equal((watch.BatchShare, watch.UsualShare), (shares["batch"], shares["usual_model"]));
        Assert.InRange(watch.BatchShare, 0.1, 0.9);
        clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Empty(measured.Read("aibackend.job.allocation.share"));
    }
}
