using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AiBackend.Bench.Load;

/// <summary>A job that was accepted.</summary>
internal sealed record SentJob(Guid Id, DateTimeOffset SentAt, TimeSpan Acknowledged);

/// <summary>Submits jobs, each on a connection of its own that the next one may have.</summary>
internal sealed class JobSender(Uri address, string path) : IDisposable
{
    private readonly Queue<RawConnection> _idle = new();

    /// <returns>The job; any answer but 202 is an error.</returns>
    public async Task<SentJob> SendAsync(string key, string body, CancellationToken cancellationToken)
    {
        RawConnection? connection;
        lock (_idle)
        {
            _idle.TryDequeue(out connection);
        }

        connection ??= await RawConnection.OpenAsync(address, cancellationToken);
        var request = Requests.Post(address, path, key, body);
        var (sentAt, begin) = (TimeProvider.System.GetUtcNow(), Stopwatch.GetTimestamp());
        var (status, accepted) = await connection.SendAsync(request, cancellationToken);
        var acknowledged = Stopwatch.GetElapsedTime(begin);
        if (status != 202)
        {
            throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"A job was refused with {status}: {Encoding.UTF8.GetString(accepted.Span)}")
            );
        }

        using var answer = JsonDocument.Parse(accepted);
        var id = answer.RootElement.GetProperty("id").GetGuid();
        lock (_idle)
        {
            _idle.Enqueue(connection);
        }

        return new SentJob(id, sentAt, acknowledged);
    }

    public void Dispose()
    {
        foreach (var connection in _idle)
        {
            connection.Dispose();
        }
    }
}
