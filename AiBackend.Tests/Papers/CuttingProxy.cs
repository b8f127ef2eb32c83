using System.Collections.Concurrent;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiBackend.Tests.Papers;

/// <summary>Stands before a server, and breaks the first connection over which each stream is read, in the middle of an event.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private const int CutAfterBytes = 900;

    private readonly HttpClient _to = new(new SocketsHttpHandler { UseProxy = false });
    private readonly ConcurrentQueue<string> _cut = [];
    private readonly WebApplication _app;
    private readonly Uri _server;

    private CuttingProxy(WebApplication app, Uri server) => (_app, _server) = (app, server);

    public string Address => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    /// <summary>Paths of the streams that were cut.</summary>
    public IReadOnlyCollection<string> Cut => _cut;

    public static async Task<CuttingProxy> StartAsync(Uri server)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var proxy = new CuttingProxy(builder.Build(), server);
        proxy._app.Run(proxy.ForwardAsync);
        await proxy._app.StartAsync(TestRun.Cancel);
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _to.Dispose();
    }

    private async Task ForwardAsync(HttpContext context)
    {
        var (request, gone) = (context.Request, context.RequestAborted);
        using var message = new HttpRequestMessage(new HttpMethod(request.Method), new Uri(_server, request.Path + request.QueryString));
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, gone);
        message.Content = body.Length == 0 ? null : new ByteArrayContent(body.ToArray());
        foreach (var (name, values) in request.Headers.Where(header => header.Key is not ("Host" or "Transfer-Encoding")))
        {
            if (!message.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
            {
                message.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        using var answer = await _to.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, gone);
        context.Response.StatusCode = (int)answer.StatusCode;
        context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
        var isStream = answer.Content.Headers.ContentType?.MediaType is "text/event-stream";
        var left = isStream && !_cut.Contains(request.Path.Value) ? CutAfterBytes : int.MaxValue;
        await using var stream = await answer.Content.ReadAsStreamAsync(gone);
        var buffer = new byte[4096];
        for (int read; (read = await stream.ReadAsync(buffer.AsMemory(0, Math.Min(buffer.Length, left)), gone)) > 0; left -= read)
        {
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), gone);
            if (left == read)
            {
                _cut.Enqueue(request.Path.Value!);
                await context.Response.Body.FlushAsync(gone);
                context.Abort();
                return;
            }
        }
    }
}
