using System.Diagnostics;

namespace AiBackend.Bench.Load;

/// <summary>Requests that leave on time whether or not earlier ones were answered: a slow server is not helped by slow callers.</summary>
internal static class OpenLoop
{
    /// <returns>Every request with its answer; any answer but 202 ends the run.</returns>
    public static async Task<List<SentJob>> SendAsync(
        Uri address,
        string path,
        string key,
        int perSecond,
        TimeSpan duration,
        CancellationToken cancellationToken
    )
    {
        using var sender = new JobSender(address, path);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond);
        var watch = Stopwatch.StartNew();
        var pending = new List<Task<SentJob>>();
        while (watch.Elapsed < duration && await timer.WaitForNextTickAsync(cancellationToken))
        {
            pending.Add(sender.SendAsync(key, Requests.NoopBody, cancellationToken));
        }

        return [.. await Task.WhenAll(pending)];
    }
}
