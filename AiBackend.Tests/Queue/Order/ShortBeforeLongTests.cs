using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

/// <summary>
/// The bench <c>scheduler</c> on ideal slots and in virtual time: 80 % of 0.2 s, 20 % of 8 s, Poisson at 90 % of 8 slots, lengths known by a
/// hint that is right nine times in ten.
/// </summary>
public sealed class ShortBeforeLongTests(ITestOutputHelper output)
{
    private const int Slots = 8;
    private const int Jobs = 20_000;
    private const double Short = 0.2;
    private const double Long = 8;

    private static readonly LengthSplit Split = LengthSplit.Of([new(8, 800, 160), new(13, 200, 1600)], Slots);

    [Fact]
    public void Short_jobs_start_many_times_sooner_than_in_order_and_long_ones_little_later()
    {
        var random = new Random(1);
        var trace = Trace(random);

        var (fifo, _) = Play(trace, new FairLine(TimeSpan.FromDays(1), _ => 1), _ => 13, LengthSplit.None);
        var (oracle, _) = Play(
            trace,
            new FairLine(TimeSpan.FromDays(1), _ => 1),
            job => JobLength.Of(TimeSpan.FromSeconds(job.Run)),
            Split
        );
        var (fair, longest) = Play(
            trace,
            new FairLine(Line.AgeUpAfter, _ => 1),
            job => JobLength.Of(TimeSpan.FromSeconds(job.Hint)),
            Split
        );

        output.WriteLine(
            $"p50 {At(fifo, 0.5):0.00} {At(oracle, 0.5):0.00} {At(fair, 0.5):0.00}, p95 {At(fifo, 0.95):0.0} {At(oracle, 0.95):0.0} {At(fair, 0.95):0.0}, mean {fifo.Average():0.00} {oracle.Average():0.00} {fair.Average():0.00}, longest wait {longest:0}"
        );
        Assert.True(At(fifo, 0.5) / At(fair, 0.5) >= 5.5);
        Assert.True(At(fair, 0.95) <= 1.5 * At(fifo, 0.95));
        Assert.True(fair.Average() <= 1.15 * oracle.Average());
        Assert.True(longest <= 2 * Line.AgeUpAfter.TotalSeconds);
    }

    private static double At(List<double> latencies, double share) => latencies.Order().ElementAt((int)(latencies.Count * share));

    private static List<Traced> Trace(Random random)
    {
        var (jobs, at) = (new List<Traced>(), 0.0);
        for (var i = 0; i < Jobs; i++)
        {
            at -= Math.Log(1 - random.NextDouble()) / (0.9 * Slots / ((0.8 * Short) + (0.2 * Long)));
            var run = random.NextDouble() < 0.8 ? Short : Long;
            jobs.Add(new(at, run, random.NextDouble() < 0.9 ? run : Short + Long - run));
        }

        return jobs;
    }

    /// <returns>Arrival to end of each job, and the longest wait, in seconds.</returns>
    private static (List<double> Latencies, double LongestWait) Play(
        List<Traced> trace,
        FairLine line,
        Func<Traced, short> lengthOf,
        LengthSplit split
    )
    {
        var waiting = new Dictionary<Guid, Traced>();
        var running = new List<(double Begin, Traced Job)>();
        var (latencies, longest, next, now) = (new List<double>(), 0.0, 0, 0.0);
        while (next < trace.Count || running.Count > 0)
        {
            var arrival = next < trace.Count ? trace[next].At : double.MaxValue;
            var ending = running.Count == 0 ? default : running.MinBy(each => each.Begin + each.Job.Run);
            if (running.Count > 0 && ending.Begin + ending.Job.Run <= arrival)
            {
                now = ending.Begin + ending.Job.Run;
                running.Remove(ending);
                latencies.Add(now - ending.Job.At);
            }
            else
            {
                now = arrival;
                waiting.Add(Line.Job().Id, trace[next++]);
            }

            if (running.Count == Slots || waiting.Count == 0)
            {
                continue;
            }

            var capacity = new Capacity
            {
                LongFrom = split.LongFrom,
                MostLong = Slots - split.Kept,
                Running =
                [
                    .. running.Select(each => new RunningJobs(
                        JobPriority.Standard,
                        lengthOf(each.Job),
                        Math.Max(lengthOf(each.Job), JobLength.Of(TimeSpan.FromSeconds(now - each.Begin))),
                        1
                    )),
                ],
            };
            var heads = waiting.GroupBy(each => lengthOf(each.Value)).SelectMany(kind => kind.OrderBy(each => each.Key).Take(16));
            var picked = line.Pick(
                [.. heads.Select(each => Line.Job(length: lengthOf(each.Value), waited: now - each.Value.At) with { Id = each.Key })],
                capacity,
                Slots - running.Count
            );
            foreach (var job in picked)
            {
                waiting.Remove(job.Id, out var traced);
                longest = Math.Max(longest, now - traced.At);
                running.Add((now, traced));
            }
        }

        return (latencies, longest);
    }

    private readonly record struct Traced(double At, double Run, double Hint);
}
