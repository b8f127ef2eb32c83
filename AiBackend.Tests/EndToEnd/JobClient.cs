using System.Globalization;
using System.Net;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>A caller of the native API as our users write them: submits with a key of its own, follows events, resumes when cut off.</summary>
public sealed class JobClient(Stack stack)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(90);

    /// <summary>Teaches the simulator a model whose answer is <c>word1 word2 …</c>, so that a test knows every word.</summary>
    public async Task<string> TeachWordsAsync(int words, int intervalMs, int firstMs = 50)
    {
        var model = $"sim-{Guid.CreateVersion7():N}";
        await TeachWordsAsync(model, words, intervalMs, firstMs);
        return model;
    }

    /// <summary>Teaches it another pace, which holds for the calls after this: one that runs keeps its own.</summary>
    public async Task TeachWordsAsync(string model, int words, int intervalMs, int firstMs = 50)
    {
        using var response = await stack.Simulator.PutAsJsonAsync(
            $"/sim/behaviours/{model}",
            new Dictionary<string, object>
            {
                ["words"] = words,
                ["interval_ms"] = intervalMs,
                ["ttft_ms"] = firstMs,
            },
            TestRun.Cancel
        );
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    public static string Words(int count) => string.Join(' ', Enumerable.Range(1, count).Select(i => $"word{i}"));

    /// <summary>The one job of a model ends like this.</summary>
    internal async Task EndOfAsync(string model, JobStatus status)
    {
        await using var database = Npgsql.NpgsqlDataSource.Create(stack.Postgres);
        var ended = await Eventually.GetAsync(
            async token =>
            {
                await using var command = database.CreateCommand("SELECT status FROM jobs WHERE model = $1");
                command.Parameters.Add(new Npgsql.NpgsqlParameter { Value = model });
                return (JobStatus)(short)(await command.ExecuteScalarAsync(token))!;
            },
            found => found >= JobStatus.Completed,
            "the job ends",
            TimeSpan.FromSeconds(30)
        );
        Assert.Equal(status, ended);
    }

    /// <summary>Submits; an answer that never came is asked for again with the same key, as a careful client does.</summary>
    public async Task<Guid> SubmitAsync(string model, string content = "Go on.", string? deadline = null, int? maxOutputTokens = null)
    {
        var key = $"{Guid.CreateVersion7():N}";
        var job = await Eventually.GetAsync(
            async cancellationToken =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs");
                request.Headers.Add("Idempotency-Key", key);
                request.Content = JsonContent.Create(
                    new
                    {
                        type = "chat",
                        model,
                        deadline,
                        input = new { messages = new[] { new { role = "user", content } }, max_output_tokens = maxOutputTokens },
                    }
                );
                using var response = await stack.Api.SendAsync(request, cancellationToken);
                return response.StatusCode == HttpStatusCode.Accepted
                    ? JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(cancellationToken), WireJson.Default.Job)
                    : throw new HttpRequestException(await response.Content.ReadAsStringAsync(cancellationToken));
            },
            accepted => accepted is not null,
            "the job is accepted",
            TimeSpan.FromSeconds(60)
        );
        return job!.Id;
    }

    public async Task<Job> GetAsync(Guid id, CancellationToken cancellationToken)
    {
        var bytes = await stack.Api.GetByteArrayAsync($"/api/v1/jobs/{id}", cancellationToken);
        return JsonSerializer.Deserialize(bytes, WireJson.Default.Job)!;
    }

    public async Task<JobTrace> TraceAsync(Guid id)
    {
        var bytes = await stack.Api.GetByteArrayAsync($"/api/v1/jobs/{id}/trace", TestRun.Cancel);
        return JsonSerializer.Deserialize(bytes, WireJson.Default.JobTrace)!;
    }

    public async Task CancelAsync(Guid id)
    {
        using var response = await stack.Api.PostAsync($"/api/v1/jobs/{id}/cancel", null, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
    }

    public Task<Job> EndAsync(Guid id, TimeSpan? within = null) =>
        Eventually.GetAsync(
            cancellationToken => GetAsync(id, cancellationToken),
            job => JobStatuses.IsTerminal(job.Status),
            $"job {id} ends",
            within ?? TimeSpan.FromSeconds(60)
        );

    /// <summary>Follows a job to its end, reconnecting with the last number whenever the connection breaks.</summary>
    public async Task<Reading> FollowAsync(Guid id, Action<Reading>? observe = null)
    {
        var reading = new Reading();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(Longest);
        while (!reading.HasEnded)
        {
            try
            {
                await foreach (var item in EventsAsync(id, reading.LastSeq, patience.Token))
                {
                    reading.Take(int.Parse(item.EventId!, CultureInfo.InvariantCulture), item.EventType, item.Data);
                    observe?.Invoke(reading);
                }
            }
            catch (Exception cut) when (cut is HttpRequestException or IOException && !patience.IsCancellationRequested)
            {
                reading.Reconnects++;
                await Task.Delay(100, patience.Token);
            }
            catch (OperationCanceledException tooLong) when (!TestRun.Cancel.IsCancellationRequested)
            {
                var now = await GetAsync(id, TestRun.Cancel);
                throw new TimeoutException(
                    $"Of job {id} event {reading.LastSeq} was the last in {Longest}, after {reading.Reconnects} cuts; it is {now.Status} in attempt {now.Attempt}, waits for {now.Queue?.WaitingReason ?? "nothing"} until {now.NextAttemptAt:O}.",
                    tooLong
                );
            }
        }

        return reading;
    }

    /// <summary>One connection's worth of events.</summary>
    public async IAsyncEnumerable<SseItem<string>> EventsAsync(
        Guid id,
        int after,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{id}/events");
        request.Headers.Add("Accept", "text/event-stream");
        if (after > 0)
        {
            request.Headers.Add("Last-Event-ID", after.ToString(CultureInfo.InvariantCulture));
        }

        using var response = await stack.Api.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        response.EnsureSuccessStatusCode();
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var item in SseParser.Create(stream, (_, data) => Encoding.UTF8.GetString(data)).EnumerateAsync(cancellationToken))
        {
            yield return item;
        }
    }
}

/// <summary>What a reader has seen: the text as the rules of the wire fold it, and whether the numbers were right.</summary>
public sealed class Reading
{
    private int _attempt;

    public int LastSeq { get; private set; }

    public string Text { get; private set; } = "";

    public int Reconnects { get; set; }

    public int Resets { get; private set; }

    public int Finals { get; private set; }

    public Job? Final { get; private set; }

    public bool HasEnded => Final is not null;

    public void Take(int seq, string type, string data)
    {
        // I-8, I-9: gapless, and no event twice, over all reconnects.
        Assert.Equal(LastSeq + 1, seq);
        LastSeq = seq;
        switch (type)
        {
            case JobEventTypes.Delta:
                var delta = JsonSerializer.Deserialize(data, WireJson.Default.DeltaEvent)!;
                Text = delta.Attempt == _attempt ? Text + delta.Text : delta.Text;
                _attempt = delta.Attempt;
                break;
            case JobEventTypes.Reset:
                (Text, _attempt) = ("", 0);
                Resets++;
                break;
            case JobEventTypes.Final:
                Final = JsonSerializer.Deserialize(data, WireJson.Default.FinalEvent)!.Job;
                Finals++;
                break;
        }
    }
}
