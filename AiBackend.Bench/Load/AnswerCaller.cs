using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace AiBackend.Bench.Load;

/// <summary>Makes one call again and again and waits for its answer: at a steady pace, or as fast as a number of connections can.</summary>
internal sealed class AnswerCaller : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = 1024 });
    private readonly Uri _address;
    private readonly byte[] _body;
    private readonly string _member;

    /// <param name="address">What is called.</param>
    /// <param name="key">For the header <c>Authorization</c>.</param>
    /// <param name="body">What is sent, as JSON.</param>
    /// <param name="member">What the answer has when it is the one that is waited for, and no error.</param>
    /// <param name="headers">What the server wants besides.</param>
    public AnswerCaller(Uri address, string key, string body, string member, params (string Name, string Value)[] headers)
    {
        (_address, _body, _member) = (address, Encoding.UTF8.GetBytes(body), member);
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        foreach (var (name, value) in headers)
        {
            _http.DefaultRequestHeaders.Add(name, value);
        }
    }

    /// <summary>Asks for chat completions as OpenAI's clients do.</summary>
    public static AnswerCaller OfCompletions(Uri server, string key, string model, params (string Name, string Value)[] headers) =>
        new(
            new Uri(server, "/v1/chat/completions"),
            key,
            $$"""{"model":"{{model}}","messages":[{"role":"user","content":"{{new string('x', 200)}}"}]}""",
            "choices",
            headers
        );

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
        return json.RootElement.TryGetProperty(_member, out var member) && member.ValueKind != JsonValueKind.Null
            ? took
            : throw new InvalidOperationException($"{_address} answered {response.StatusCode}: {Encoding.UTF8.GetString(answer)}");
    }
}
