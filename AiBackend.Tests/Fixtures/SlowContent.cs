using System.Net;
using System.Net.Http.Headers;

namespace AiBackend.Tests.Fixtures;

/// <summary>A body of which the end is sent when the test says so.</summary>
public sealed class SlowContent : HttpContent
{
    private readonly byte[] _head;
    private readonly byte[] _tail;
    private readonly TaskCompletionSource _isHeld = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public SlowContent(byte[] head, byte[] tail, string contentType)
    {
        (_head, _tail) = (head, tail);
        Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
    }

    /// <summary>JSON after so many blanks that the server's least rate is kept for half a minute.</summary>
    public static SlowContent OfJson(string json) =>
        new(System.Text.Encoding.UTF8.GetBytes(new string(' ', 8192)), System.Text.Encoding.UTF8.GetBytes(json), "application/json");

    /// <summary>A client that sends bodies when the server has begun to read them, and so has let the request in.</summary>
    public static HttpClient Client(Uri address, string key)
    {
#pragma warning disable CA2000 // Its client disposes of it.
        var handler = new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) };
#pragma warning restore CA2000
        var client = new HttpClient(handler) { BaseAddress = address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        client.DefaultRequestHeaders.ExpectContinue = true;
        return client;
    }

    /// <summary>Done once the beginning is sent.</summary>
    public Task IsHeld => _isHeld.Task;

    public void Release() => _release.TrySetResult();

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        await stream.WriteAsync(_head, TestRun.Cancel);
        await stream.FlushAsync(TestRun.Cancel);
        _isHeld.TrySetResult();
        await _release.Task.WaitAsync(TestRun.Cancel);
        await stream.WriteAsync(_tail, TestRun.Cancel);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _head.Length + _tail.Length;
        return true;
    }
}
