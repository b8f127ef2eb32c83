using System.Diagnostics;

namespace AiBackend.Bench.Load;

/// <summary>A request with the moment at which it leaves.</summary>
internal sealed record TimedRequest(TimeSpan At, string Key, string Body);

/// <summary>Jobs that are submitted at given moments, whether or not earlier ones were answered.</summary>
internal static class TimedLoad
{
    /// <returns>The jobs in the order of the requests.</returns>
    public static async Task<SentJob[]> SendAsync(Uri api, IReadOnlyList<TimedRequest> requests, CancellationToken cancellationToken)
    {
        using var sender = new JobSender(api, "/api/v1/jobs");
        var watch = Stopwatch.StartNew();
        var pending = new List<Task<SentJob>>(requests.Count);
        foreach (var request in requests)
        {
            if (request.At - watch.Elapsed is { Ticks: > 0 } left)
            {
                await Task.Delay(left, cancellationToken);
            }

            pending.Add(sender.SendAsync(request.Key, request.Body, cancellationToken));
        }

        return await Task.WhenAll(pending);
    }
}
