using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace AiBackend.Bench.Load;

/// <summary>Asks for chat completions as OpenAI's clients do: at a steady pace, or as fast as a number of connections can.</summary>
internal sealed class CompletionCaller : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 1024 });
    private readonly Uri _address;
    private readonly byte[] _body;

    /// <param name="server">Where <c>/v1/chat/completions</c> is.</param>
    /// <param name="key">For the header <c>Authorization</c>.</param>
    /// <param name="model">What is asked for.</param>
    /// <param name="headers">What the server wants besides.</param>
    public CompletionCaller(Uri server, string key, string model, params (string Name, string Value)[] headers)
    {
        _address = new Uri(server, "/v1/chat/completions");
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        foreach (var (name, value) in headers)
        {
            _http.DefaultRequestHeaders.Add(name, value);
        }

        _body = Encoding.UTF8.GetBytes($$"""{"model":"{{model}}","messages":[{"role":"user","content":"{{new string('x', 200)}}"}]}""");
    }

    /// <returns>Milliseconds of every call, sent on time whether or not earlier ones were answered.</returns>
    public async Task<IReadOnlyList<double>> SteadyAsync(int perSecond, TimeSpan duration, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond);
        var watch = Stopwatch.StartNew();
        var pending = new List<Task<double>>();
        while (watch.Elapsed < duration && await timer.WaitForNextTickAsync(cancellationToken))
        {
            pending.Add(AskAsync(cancellationToken));
        }

        return await Task.WhenAll(pending);
    }

    /// <returns>Answers a second.</returns>
    public async Task<double> SaturateAsync(int connections, TimeSpan duration, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, connections)
                .Select(async _ =>
                {
                    var count = 0;
                    for (; watch.Elapsed < duration; count++)
                    {
                        await AskAsync(cancellationToken);
                    }

                    return count;
                })
        );
        return answers.Sum() / watch.Elapsed.TotalSeconds;
    }

    public void Dispose() => _http.Dispose();

    private async Task<double> AskAsync(CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        using var content = new ByteArrayContent(_body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await _http.PostAsync(_address, content, cancellationToken);
        var answer = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        var took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        using var json = JsonDocument.Parse(answer);
        return json.RootElement.TryGetProperty("choices", out _)
            ? took
            : throw new InvalidOperationException($"{_address} answered {response.StatusCode}: {Encoding.UTF8.GetString(answer)}");
    }
}
