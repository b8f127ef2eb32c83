using System.Collections.Concurrent;
using System.Net;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tools;

/// <summary>What a receiver got.</summary>
internal sealed record ReceivedCall(string Path, string Key, string Body, string? Secret)
{
    /// <summary>The job that calls, as the call says.</summary>
    public required string Job { get; init; }
}

/// <summary>A tool on loopback, which writes down every call it gets; its log, and not ours, says how often something was done.</summary>
internal sealed class ToolReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _gate = new();
    private readonly HashSet<string> _arrived = new(StringComparer.Ordinal);
    private TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _awaited;
    private int _isFirstHeld;

    private ToolReceiver(WebApplication app) => _app = app;

    public ConcurrentQueue<ReceivedCall> Calls { get; } = [];

    /// <summary>What it answers to a POST.</summary>
    public (HttpStatusCode Status, string Body) Answer { get; set; } = (HttpStatusCode.OK, """{"ok":true}""");

    /// <summary>What it answers to the first POSTs instead.</summary>
    public ConcurrentQueue<HttpStatusCode> First { get; } = [];

    /// <summary>What it answers when it is asked what became of a call.</summary>
    public (HttpStatusCode Status, string Body) Verdict { get; set; } = (HttpStatusCode.OK, """{"was":"done"}""");

    /// <summary>How often each key came, most first.</summary>
    public IReadOnlyList<int> Sends => [.. Posted.GroupBy(call => call.Key).Select(same => same.Count()).OrderDescending()];

    public IEnumerable<ReceivedCall> Posted => Calls.Where(call => call.Path == "/tool");

    public Uri Origin => new(_app.Urls.First());

    public string Url => new Uri(Origin, "/tool").ToString();

    public string VerifyUrl => new Uri(Origin, "/verify").ToString();

    public (string, string) Allowed => ("Egress:Allow:0", Origin.GetLeftPart(UriPartial.Authority));

    /// <summary>
    /// Nothing is answered before this many calls of different keys more have come; then one is, and all others wait until it is told to hold none.
    /// </summary>
    public void HoldFor(int calls)
    {
        lock (_gate)
        {
            _awaited = calls;
            _arrived.Clear();
            _released.TrySetResult();
            _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>The next call is never answered; all that follow are.</summary>
    public void HoldFirst() => Volatile.Write(ref _isFirstHeld, 1);

    public static async Task<ToolReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var receiver = new ToolReceiver(app);
        app.MapPost("/tool", receiver.TakeAsync);
        app.MapGet("/verify", receiver.VerifyAsync);
        await app.StartAsync(TestRun.Cancel);
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync(context.RequestAborted);
        var key = context.Request.Headers["Idempotency-Key"].ToString();
        Calls.Enqueue(new ReceivedCall("/tool", key, body, context.Request.Headers["X-Secret"]) { Job = JobOf(context) });
        if (Interlocked.Exchange(ref _isFirstHeld, 0) == 1)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        }

        await ArrivedAsync(key, context.RequestAborted);
        await AnswerAsync(context, First.TryDequeue(out var status) ? (status, "") : Answer);
    }

    private Task ArrivedAsync(string key, CancellationToken aborted)
    {
        lock (_gate)
        {
            _arrived.Add(key);
            return _arrived.Count >= _awaited ? Task.CompletedTask : _released.Task.WaitAsync(aborted);
        }
    }

    private static string JobOf(HttpContext context) => context.Request.Headers["X-AiBackend-Job"].ToString();

    private Task VerifyAsync(HttpContext context)
    {
        Calls.Enqueue(
            new ReceivedCall("/verify", context.Request.Query["effect_id"].ToString(), "", context.Request.Headers["X-Secret"])
            {
                Job = JobOf(context),
            }
        );
        return AnswerAsync(context, Verdict);
    }

    private static Task AnswerAsync(HttpContext context, (HttpStatusCode Status, string Body) answer)
    {
        context.Response.StatusCode = (int)answer.Status;
        return context.Response.WriteAsync(answer.Body, context.RequestAborted);
    }
}
