namespace AiBackend.Bench.Scenarios;

/// <summary>A job of a trace: when it comes and how long it runs, in seconds.</summary>
internal readonly record struct TracedJob(double At, double Run);

/// <summary>What the same jobs would have got from slots that cost nothing, in some order.</summary>
internal static class SlotSimulation
{
    /// <summary>First come, first served.</summary>
    public static List<double> Fifo(IReadOnlyList<TracedJob> jobs, int slots) => Run(jobs, slots, _ => 0, double.MaxValue, slots);

    /// <summary>Knows every length: the shortest first, and one slot kept free of what is longer than <paramref name="longFrom"/>.</summary>
    public static List<double> Oracle(IReadOnlyList<TracedJob> jobs, int slots, double longFrom) =>
        Run(jobs, slots, job => job.Run, longFrom, slots - 1);

    /// <returns>Arrival to end of each job, in seconds.</returns>
    private static List<double> Run(IReadOnlyList<TracedJob> jobs, int slots, Func<TracedJob, double> rank, double longFrom, int mostLong)
    {
        var line = new SortedSet<(double Rank, int Job)>();
        var ends = new PriorityQueue<bool, double>();
        var latencies = new double[jobs.Count];
        var (running, runningLong, next, now) = (0, 0, 0, 0.0);
        while (next < jobs.Count || running > 0)
        {
            var arrives = next < jobs.Count ? jobs[next].At : double.MaxValue;
            if (ends.TryPeek(out var wasLong, out var end) && end <= arrives)
            {
                ends.Dequeue();
                (now, running, runningLong) = (end, running - 1, runningLong - (wasLong ? 1 : 0));
            }
            else
            {
                line.Add((rank(jobs[next]), next));
                (now, next) = (arrives, next + 1);
            }

            while (running < slots && Pick(jobs, line, longFrom, runningLong < mostLong) is { } place)
            {
                line.Remove(place);
                var job = jobs[place.Job];
                var isLong = job.Run >= longFrom;
                ends.Enqueue(isLong, now + job.Run);
                (running, runningLong) = (running + 1, runningLong + (isLong ? 1 : 0));
                latencies[place.Job] = now + job.Run - job.At;
            }
        }

        return [.. latencies];
    }

    private static (double Rank, int Job)? Pick(
        IReadOnlyList<TracedJob> jobs,
        SortedSet<(double Rank, int Job)> line,
        double longFrom,
        bool longMay
    )
    {
        foreach (var place in line)
        {
            if (longMay || jobs[place.Job].Run < longFrom)
            {
                return place;
            }
        }

        return null;
    }
}
