using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;
using AiBackend.ApiContracts;

namespace AiBackend.Bench.Load;

/// <summary>How a request was answered.</summary>
/// <param name="DueAt">When it was to leave, since the load began.</param>
/// <param name="Answered">From then to the answer: a server that makes its callers late is not helped by their waiting.</param>
/// <param name="Status">HTTP status; 0 when the connection broke.</param>
/// <param name="Id">The job; null when it was refused.</param>
/// <param name="Refusal">The code of the refusal, when it says how long to wait.</param>
internal sealed record PacedAnswer(TimeSpan DueAt, TimeSpan Answered, int Status, Guid? Id, string? Refusal);

/// <summary>Requests that leave on time whatever becomes of the others; refusals are answers too.</summary>
internal static class PacedLoad
{
    // Beyond that many at once it is the server that makes them wait, and their time counts from when they were due.
    private const int Connections = 256;

    public static async Task<List<PacedAnswer>> SendAsync(
        Uri api,
        string key,
        IEnumerable<(TimeSpan At, string Body)> requests,
        CancellationToken cancellationToken
    )
    {
        var due = Channel.CreateUnbounded<(TimeSpan At, string Body)>();
        var watch = Stopwatch.StartNew();
        var senders = Enumerable.Range(0, Connections).Select(_ => SendAsync(api, key, due.Reader, watch, cancellationToken)).ToList();
        foreach (var request in requests)
        {
            if (request.At - watch.Elapsed is { Ticks: > 0 } left)
            {
                await Task.Delay(left, cancellationToken);
            }

            due.Writer.TryWrite(request);
        }

        due.Writer.Complete();
        return [.. (await Task.WhenAll(senders)).SelectMany(answers => answers).OrderBy(answer => answer.DueAt)];
    }

    private static async Task<List<PacedAnswer>> SendAsync(
        Uri api,
        string key,
        ChannelReader<(TimeSpan At, string Body)> due,
        Stopwatch watch,
        CancellationToken cancellationToken
    )
    {
        var answers = new List<PacedAnswer>();
        RawConnection? connection = null;
        await foreach (var (at, body) in due.ReadAllAsync(cancellationToken))
        {
            try
            {
                connection ??= await RawConnection.OpenAsync(api, cancellationToken);
                var (status, answer) = await connection.SendAsync(Requests.Post(api, "/api/v1/jobs", key, body), cancellationToken);
                answers.Add(Read(at, watch.Elapsed - at, status, answer));
            }
            catch (Exception broken) when (broken is System.Net.Sockets.SocketException or IOException)
            {
                connection?.Dispose();
                connection = null;
                answers.Add(new(at, watch.Elapsed - at, 0, null, null));
            }
        }

        connection?.Dispose();
        return answers;
    }

    private static PacedAnswer Read(TimeSpan at, TimeSpan answered, int status, ReadOnlyMemory<byte> body)
    {
        if (status == 202)
        {
            using var accepted = JsonDocument.Parse(body);
            return new(at, answered, status, accepted.RootElement.GetProperty("id").GetGuid(), null);
        }

        var problem = JsonSerializer.Deserialize(body.Span, WireJson.Default.Problem);
        return new(at, answered, status, null, problem is { RetryAfter: > 0 } ? problem.Code : null);
    }
}
