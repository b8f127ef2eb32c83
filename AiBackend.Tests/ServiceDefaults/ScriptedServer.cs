using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>The far end of a client: answers in the order it was told, and remembers the bodies it received.</summary>
internal sealed class ScriptedServer : HttpMessageHandler
{
    private readonly ConcurrentQueue<Func<CancellationToken, Task<HttpResponseMessage>>> _script = new();

    public ConcurrentQueue<string> Requests { get; } = new();

    public ScriptedServer Answer(HttpStatusCode code, RetryConditionHeaderValue? retryAfter = null, int times = 1)
    {
        for (var answer = 0; answer < times; answer++)
        {
            _script.Enqueue(_ =>
            {
                var response = new HttpResponseMessage(code);
                response.Headers.RetryAfter = retryAfter;
                return Task.FromResult(response);
            });
        }

        return this;
    }

    public ScriptedServer Refuse()
    {
        _script.Enqueue(_ => throw new HttpRequestException("connection refused"));
        return this;
    }

    public ScriptedServer Hang()
    {
        _script.Enqueue(async cancellationToken =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            return new HttpResponseMessage();
        });
        return this;
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Not ReadAsString, which would keep the body and so make it repeatable.
        using var body = new MemoryStream();
        await (request.Content?.CopyToAsync(body, cancellationToken) ?? Task.CompletedTask);
        Requests.Enqueue(Encoding.UTF8.GetString(body.ToArray()));
        return _script.TryDequeue(out var next)
            ? await next(cancellationToken)
            : throw new InvalidOperationException("The script has no further answer.");
    }
}
