using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

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
        var sent = new List<SentJob>();
        var idle = new Queue<RawConnection>();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond);
        var watch = Stopwatch.StartNew();
        var pending = new List<Task>();
        while (watch.Elapsed < duration && await timer.WaitForNextTickAsync(cancellationToken))
        {
            pending.Add(SendOneAsync());
        }

        await Task.WhenAll(pending);
        foreach (var connection in idle)
        {
            connection.Dispose();
        }

        return sent;

        async Task SendOneAsync()
        {
            RawConnection? connection;
            lock (idle)
            {
                idle.TryDequeue(out connection);
            }

            if (connection is null)
            {
                connection = new RawConnection();
                await connection.ConnectAsync(address, cancellationToken);
            }

            var request = Requests.Post(address, path, key, Requests.NoopBody);
            var (sentAt, begin) = (TimeProvider.System.GetUtcNow(), Stopwatch.GetTimestamp());
            var (status, body) = await connection.SendAsync(request, cancellationToken);
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
                sent.Add(new SentJob(id, sentAt, acknowledged));
                idle.Enqueue(connection);
            }
        }
    }
}

/// <summary>One request of an open loop.</summary>
internal sealed record SentJob(Guid Id, DateTimeOffset SentAt, TimeSpan Acknowledged);
