using System.Globalization;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.EndToEnd;

namespace AiBackend.Tests.Chaos;

/// <summary>A careful caller that writes down what it did and what it was told. It decides nothing: <see cref="Invariants.Checker"/> does.</summary>
internal sealed class ChaosClient : IDisposable
{
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly History _history;
    private readonly HttpClient _http;

    public ChaosClient(Uri api, string key, History history)
    {
        _history = history;
        _http = new(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
        {
            BaseAddress = api,
            Timeout = Timeout.InfiniteTimeSpan,
            DefaultRequestHeaders = { Authorization = new("Bearer", key) },
        };
    }

    /// <summary>Submits until there is an answer, always with the same key. An answer that says nothing is asked for again.</summary>
    public async Task<Guid> SubmitAsync(ChaosJob job, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await TrySubmitAsync(job, Operations.Submit, job.Text, cancellationToken) is { } id)
            {
                return id;
            }

            await Task.Delay(Pause, cancellationToken);
        }
    }

    /// <summary>The same key with another body: to be refused.</summary>
    public Task<Guid?> SubmitOtherAsync(ChaosJob job, CancellationToken cancellationToken) =>
        TrySubmitAsync(job with { Content = job.Content + " Or not." }, Operations.SubmitOther, text: null, cancellationToken);

    public async Task CancelAsync(ChaosJob job, Guid id, CancellationToken cancellationToken)
    {
        var entry = Entry(Operations.Cancel, job.Key) with { Job = id };
        _history.Add(entry);
        try
        {
            using var patience = Patience(cancellationToken);
            using var response = await _http.PostAsync($"/api/v1/jobs/{id}/cancel", null, patience.Token);
            var phase = response.StatusCode switch
            {
                HttpStatusCode.Accepted => Phase.Ok,
                HttpStatusCode.Conflict => Phase.Fail,
                _ => Phase.Info,
            };
            _history.Add(entry with { At = Now, Phase = phase, Status = (int)response.StatusCode });
        }
        catch (Exception unknown) when (IsUnknown(unknown, cancellationToken))
        {
            _history.Add(entry with { At = Now, Phase = Phase.Info });
        }
    }

    /// <summary>Reads a job to its end, cut off by whatever happens, and now and then by itself.</summary>
    public async Task ReadAsync(Guid id, Random random, CancellationToken cancellationToken)
    {
        var fold = new EventFold();
        var connections = 0;
        var entry = Entry(Operations.Read, key: null) with { Job = id };
        _history.Add(entry);
        while (fold.Finals == 0)
        {
            connections++;
            try
            {
                await ReadOnceAsync(id, fold, random.Next(4) == 0 ? random.Next(1, 20) : int.MaxValue, cancellationToken);
            }
            catch (Exception cut) when (IsUnknown(cut, cancellationToken))
            {
                await Task.Delay(Pause, cancellationToken);
            }
        }

        _history.Add(
            entry with
            {
                At = Now,
                Phase = Phase.Ok,
                Text = fold.Text,
                State = fold.Final?.Status,
                Finals = fold.Finals,
                Connections = connections,
                Detail = fold.Rules.Broken,
            }
        );
    }

    public void Dispose() => _http.Dispose();

    private async Task ReadOnceAsync(Guid id, EventFold fold, int most, CancellationToken cancellationToken)
    {
        // A server that is frozen keeps its connections and says nothing.
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(Silence);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{id}/events");
        request.Headers.Add("Accept", "text/event-stream");
        if (fold.LastSeq > 0)
        {
            request.Headers.Add("Last-Event-ID", fold.LastSeq.ToString(CultureInfo.InvariantCulture));
        }

        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
        response.EnsureSuccessStatusCode();
        await using var stream = await response.Content.ReadAsStreamAsync(silence.Token);
        await foreach (var item in SseParser.Create(stream, (_, data) => Encoding.UTF8.GetString(data)).EnumerateAsync(silence.Token))
        {
            silence.CancelAfter(Silence);
            fold.Take(int.Parse(item.EventId!, CultureInfo.InvariantCulture), item.EventType, item.Data);
            if (--most == 0)
            {
                return;
            }
        }
    }

    private async Task<Guid?> TrySubmitAsync(ChaosJob job, string op, string? text, CancellationToken cancellationToken)
    {
        var entry = Entry(op, job.Key) with { Text = text };
        _history.Add(entry);
        using var request = new HttpRequestMessage(
            HttpMethod.Post,
            job.Workflow is { } workflow ? $"/api/v1/workflows/{workflow}/runs" : "/api/v1/jobs"
        );
        request.Headers.Add("Idempotency-Key", job.Key);
        request.Content = job.Workflow is null
            ? JsonContent.Create(
                new
                {
                    type = "chat",
                    model = job.Model,
                    priority = job.Priority,
                    input = new { messages = new[] { new { role = "user", content = job.Content } } },
                }
            )
            : JsonContent.Create(new { priority = job.Priority, input = new { key = job.Key } });
        try
        {
            using var patience = Patience(cancellationToken);
            using var response = await _http.SendAsync(request, patience.Token);
            var bytes = await response.Content.ReadAsByteArrayAsync(patience.Token);
            var status = (int)response.StatusCode;
            if (response.StatusCode is HttpStatusCode.Accepted)
            {
                var id = JsonSerializer.Deserialize(bytes, WireJson.Default.Job)!.Id;
                _history.Add(entry with { At = Now, Phase = Phase.Ok, Job = id, Status = status });
                return id;
            }

            // A refusal of the request itself is certain; whatever the server says of itself is not.
            _history.Add(entry with { At = Now, Phase = status is >= 400 and < 500 ? Phase.Fail : Phase.Info, Status = status });
        }
        catch (Exception unknown) when (IsUnknown(unknown, cancellationToken))
        {
            _history.Add(entry with { At = Now, Phase = Phase.Info });
        }

        return null;
    }

    private static bool IsUnknown(Exception failure, CancellationToken cancellationToken) =>
        failure is HttpRequestException or IOException or JsonException
        || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private static CancellationTokenSource Patience(CancellationToken cancellationToken)
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(AnswerPatience);
        return patience;
    }

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private static HistoryEntry Entry(string op, string? key) =>
        new()
        {
            At = Now,
            Op = op,
            Phase = Phase.Invoke,
            Key = key,
        };
}

/// <summary>What is submitted, and the right answer to it.</summary>
internal sealed record ChaosJob(string Key, string Model, string Priority, string Content, string Text)
{
    private static readonly string[] Priorities = ["interactive", "standard", "batch"];

    /// <summary>The workflow that is run; null is a chat.</summary>
    public string? Workflow { get; private init; }

    /// <summary>A run of a workflow whose steps call tools.</summary>
    public static ChaosJob Of(ChaosTools tools, Lesson lesson, Random random) =>
        Of(lesson, random) with
        {
            Workflow = tools.Workflow,
            Text = ChaosTools.Text,
        };

    public static ChaosJob Of(Lesson lesson, Random random)
    {
        var key = $"{Guid.CreateVersion7():N}";
        // The provider's log then says for which job it was called.
        return new(key, lesson.Model, Priorities[random.Next(Priorities.Length)], $"Go on. {key}", JobClient.Words(lesson.Words));
    }
}

/// <summary>A model of the simulator whose every word is known.</summary>
internal sealed record Lesson(string Model, int Words);
