using System.Diagnostics;

namespace AiBackend.Bench.Load;

/// <summary>A fixed number of connections, each sending its next request when it has the answer to the last.</summary>
internal static class ClosedLoop
{
    public static async Task<LoadResult> RunAsync(
        Uri address,
        int connections,
        TimeSpan duration,
        Func<byte[]> request,
        CancellationToken cancellationToken
    )
    {
        var watch = Stopwatch.StartNew();
        var results = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(RunOneAsync, cancellationToken)));
        var elapsed = watch.Elapsed;
        return new LoadResult(
            results.Sum(result => result.Latencies.Count) / elapsed.TotalSeconds,
            [.. results.SelectMany(result => result.Latencies)],
            results.Sum(result => result.Refused)
        );

        async Task<(List<double> Latencies, int Refused)> RunOneAsync()
        {
            using var connection = new RawConnection();
            await connection.ConnectAsync(address, cancellationToken);
            var latencies = new List<double>(50_000);
            var refused = 0;
            while (watch.Elapsed < duration)
            {
                var bytes = request();
                var sentAt = Stopwatch.GetTimestamp();
                var (status, _) = await connection.SendAsync(bytes, cancellationToken);
                latencies.Add(Stopwatch.GetElapsedTime(sentAt).TotalMilliseconds);
                refused += status is 200 or 202 ? 0 : 1;
            }

            return (latencies, refused);
        }
    }
}

/// <summary>What a load run saw.</summary>
/// <param name="PerSecond">Answers a second.</param>
/// <param name="Latencies">Milliseconds from sending to the whole answer.</param>
/// <param name="Refused">Answers other than 200 and 202.</param>
internal sealed record LoadResult(double PerSecond, IReadOnlyList<double> Latencies, int Refused);
