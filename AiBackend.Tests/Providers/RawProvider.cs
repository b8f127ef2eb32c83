using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace AiBackend.Tests.Providers;

/// <summary>A provider that sends exactly these bytes to everybody, and keeps what it was asked.</summary>
internal sealed class RawProvider : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<RawRequest> _requests = new();
    private readonly ConcurrentQueue<Task> _conversations = new();
    private readonly RawReply _reply;
    private readonly Task _accepting;
    private int _abandoned;

    public RawProvider(RawReply reply)
    {
        _reply = reply;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public IReadOnlyList<RawRequest> Requests => [.. _requests];

    /// <summary>How many callers hung up while they were kept waiting.</summary>
    public int Abandoned => Volatile.Read(ref _abandoned);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_conversations);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _conversations.Enqueue(TalkAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            // The test is over.
        }
    }

    private async Task TalkAsync(TcpClient caller)
    {
        using var _ = caller;
        try
        {
            await using var stream = caller.GetStream();
            _requests.Enqueue(await ReadAsync(stream));
            foreach (var packet in _reply.Packets)
            {
                await stream.WriteAsync(packet, _stop.Token);
                await stream.FlushAsync(_stop.Token);
            }

            if (_reply.KeepsOpen)
            {
                while (await stream.ReadAsync(new byte[1024], _stop.Token) > 0) { }

                Interlocked.Increment(ref _abandoned);
            }
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException)
        {
            Interlocked.Increment(ref _abandoned);
        }
    }

    private async Task<RawRequest> ReadAsync(NetworkStream stream)
    {
        var bytes = new List<byte>();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var text = Encoding.UTF8.GetString([.. bytes]);
            var headEnd = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (headEnd >= 0)
            {
                var head = text[..headEnd];
                var length = head.Split("\r\n").First(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
                if (bytes.Count >= headEnd + 4 + int.Parse(length.Split(':')[1], CultureInfo.InvariantCulture))
                {
                    return new RawRequest(head, text[(headEnd + 4)..]);
                }
            }

            var read = await stream.ReadAsync(buffer, _stop.Token);
            bytes.AddRange(read > 0 ? buffer.AsSpan(0, read) : throw new IOException("The caller hung up before its request was whole."));
        }
    }
}

/// <summary>What a provider was asked.</summary>
internal sealed record RawRequest(string Head, string Body)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    /// <summary>The value of a header; null when it was not sent.</summary>
    public string? Header(string name) =>
        Head.Split("\r\n")
            .FirstOrDefault(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))
            ?[(name.Length + 1)..].Trim();
}
