using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AiBackend.Bench.Load;

/// <summary>A request with the moment at which it leaves.</summary>
internal sealed record TimedRequest(TimeSpan At, string Key, string Body);

/// <summary>Jobs that are submitted at given moments, whether or not earlier ones were answered.</summary>
internal static class TimedLoad
{
    /// <returns>The jobs in the order of the requests.</returns>
    public static async Task<SentJob[]> SendAsync(Uri api, IReadOnlyList<TimedRequest> requests, CancellationToken cancellationToken)
    {
        var idle = new Queue<RawConnection>();
        var watch = Stopwatch.StartNew();
        var pending = new List<Task<SentJob>>(requests.Count);
        foreach (var request in requests)
        {
            if (request.At - watch.Elapsed is { Ticks: > 0 } left)
            {
                await Task.Delay(left, cancellationToken);
            }

            pending.Add(SendOneAsync(api, request, idle, cancellationToken));
        }

        var sent = await Task.WhenAll(pending);
        foreach (var connection in idle)
        {
            connection.Dispose();
        }

        return sent;
    }

    private static async Task<SentJob> SendOneAsync(
        Uri api,
        TimedRequest request,
        Queue<RawConnection> idle,
        CancellationToken cancellationToken
    )
    {
        RawConnection? connection;
        lock (idle)
        {
            idle.TryDequeue(out connection);
        }

        if (connection is null)
        {
            connection = new RawConnection();
            await connection.ConnectAsync(api, cancellationToken);
        }

        var (sentAt, begin) = (TimeProvider.System.GetUtcNow(), Stopwatch.GetTimestamp());
        var (status, body) = await connection.SendAsync(Requests.Post(api, "/api/v1/jobs", request.Key, request.Body), cancellationToken);
        var acknowledged = Stopwatch.GetElapsedTime(begin);
        if (status != 202)
        {
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"A job was refused with {status}: {Encoding.UTF8.GetString(body.Span)}")
            );
        }

        using var answer = JsonDocument.Parse(body);
        var id = answer.RootElement.GetProperty("id").GetGuid();
        lock (idle)
        {
            idle.Enqueue(connection);
        }

        return new SentJob(id, sentAt, acknowledged);
    }
}
