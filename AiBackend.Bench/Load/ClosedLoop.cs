using System.Diagnostics;
using System.Net.Sockets;

namespace AiBackend.Bench.Load;

/// <summary>A fixed number of connections, each sending its next request when it has the answer to the last.</summary>
/// <remarks>One thread that polls all of them: a scheduler of tasks would cost more of the shared cores than what is measured.</remarks>
internal static class ClosedLoop
{
    private const int PollMicroseconds = 100_000;
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(30);

    public static Task<LoadResult> RunAsync(
        Uri address,
        int connections,
        TimeSpan duration,
        byte[] request,
        CancellationToken cancellationToken
    ) =>
        Task.Factory.StartNew(
            () => Run(address, connections, duration, request, cancellationToken),
            cancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );

    private static LoadResult Run(Uri address, int connections, TimeSpan duration, byte[] request, CancellationToken cancellationToken)
    {
        var open = new Dictionary<Socket, Exchange>(connections);
        try
        {
            for (var i = 0; i < connections; i++)
            {
                var exchange = new Exchange(new RawConnection());
                open.Add(exchange.Connection.Socket, exchange);
                exchange.Connection.Connect(address);
            }

            return Run(open, duration, request, cancellationToken);
        }
        finally
        {
            foreach (var exchange in open.Values)
            {
                exchange.Connection.Dispose();
            }
        }
    }

    private static LoadResult Run(Dictionary<Socket, Exchange> open, TimeSpan duration, byte[] request, CancellationToken cancellationToken)
    {
        var latencies = new List<double>(500_000);
        var refused = 0;
        var watch = Stopwatch.StartNew();
        foreach (var exchange in open.Values)
        {
            exchange.Send(request);
        }

        var waiting = open.Keys.ToList();
        var readable = new List<Socket>(open.Count);
        while (waiting.Count > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (watch.Elapsed > duration + AnswerPatience)
            {
                throw new TimeoutException($"{waiting.Count} requests had no answer {AnswerPatience} after the end of the load.");
            }

            readable.Clear();
            readable.AddRange(waiting);
            Socket.Select(readable, null, null, PollMicroseconds);
            foreach (var socket in readable)
            {
                var exchange = open[socket];
                if (exchange.Connection.TryReceive() is not { } answer)
                {
                    continue;
                }

                latencies.Add(Stopwatch.GetElapsedTime(exchange.SentAt).TotalMilliseconds);
                refused += answer.Status is 200 or 202 ? 0 : 1;
                if (watch.Elapsed < duration)
                {
                    exchange.Send(request);
                }
                else
                {
                    waiting.Remove(socket);
                }
            }
        }

        return new LoadResult(latencies.Count / watch.Elapsed.TotalSeconds, latencies, refused);
    }

    private sealed class Exchange(RawConnection connection)
    {
        public RawConnection Connection { get; } = connection;

        public long SentAt { get; private set; }

        public void Send(byte[] request)
        {
            Requests.Renew(request);
            SentAt = Stopwatch.GetTimestamp();
            Connection.Send(request);
        }
    }
}

/// <summary>What a load run saw.</summary>
/// <param name="PerSecond">Answers a second.</param>
/// <param name="Latencies">Milliseconds from sending to the whole answer.</param>
/// <param name="Refused">Answers other than 200 and 202.</param>
internal sealed record LoadResult(double PerSecond, IReadOnlyList<double> Latencies, int Refused);
