using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Bench.Load;

/// <summary>Readers of streams whose tokens are the times at which they were written.</summary>
internal sealed class LiveReaders(HttpClient http, Uri address)
{
    private long _lastOpenedAt;

    /// <summary>When the latest reader was let in.</summary>
    public long LastOpenedAt => Volatile.Read(ref _lastOpenedAt);

    /// <summary>Runs as many reads at once as asked for, started over a tenth of a second so that they do not march in step.</summary>
    public static Task<LiveRead[]> RunAsync(int streams, Func<Task<LiveRead>> read, CancellationToken cancellationToken) =>
        Task.WhenAll(
            Enumerable
                .Range(0, streams)
                .Select(async i =>
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(100d * i / streams), TimeProvider.System, cancellationToken);
                    return await read();
                })
        );

    /// <summary>Submits a job and follows its events.</summary>
    public async Task<LiveRead> ReadJobAsync(string model, CancellationToken cancellationToken) =>
        await FollowAsync(await SubmitAsync(model, cancellationToken), cancellationToken);

    /// <summary>Submits a job.</summary>
    public async Task<Job> SubmitAsync(string model, CancellationToken cancellationToken)
    {
        using var body = new StringContent(Requests.ChatBody(model), Encoding.UTF8, "application/json");
        using var submit = new HttpRequestMessage(HttpMethod.Post, new Uri(address, "/api/v1/jobs")) { Content = body };
        submit.Headers.Add("Idempotency-Key", $"{Guid.CreateVersion7():N}");
        using var accepted = await http.SendAsync(submit, cancellationToken);
        accepted.EnsureSuccessStatusCode();
        return JsonSerializer.Deserialize(await accepted.Content.ReadAsByteArrayAsync(cancellationToken), WireJson.Default.Job)!;
    }

    /// <summary>Follows the events of a job to their end.</summary>
    public async Task<LiveRead> FollowAsync(Job job, CancellationToken cancellationToken)
    {
        var read = new LiveRead();
        using var response = await OpenAsync(job, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (
            var item in SseParser.Create(stream, (type, data) => (type, Text: TextOf(type, data))).EnumerateAsync(cancellationToken)
        )
        {
            read.Take(item.Data.Text);
        }

        return read;
    }

    /// <summary>The same without a look at what comes: what it costs the reader is nearly nothing.</summary>
    /// <returns>How many bytes came.</returns>
    public async Task<long> DrainAsync(Job job, CancellationToken cancellationToken)
    {
        using var response = await OpenAsync(job, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[16 * 1024];
        var all = 0L;
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            all += count;
        }

        return all;
    }

    /// <summary>Reads ten bytes a second for as long as it may.</summary>
    public static async Task CrawlAsync(HttpResponseMessage opened, CancellationToken cancellationToken)
    {
        using var response = opened;
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            var buffer = new byte[10];
            using var second = new PeriodicTimer(TimeSpan.FromSeconds(1));
            while (await second.WaitForNextTickAsync(cancellationToken) && await stream.ReadAsync(buffer, cancellationToken) > 0)
            {
                // As slowly as that.
            }
        }
        catch (Exception end) when (end is OperationCanceledException or IOException)
        {
            // The run is over, or the Api has cut it off, as it should.
        }
    }

    /// <summary>Asks the endpoint that calls the model inline.</summary>
    public async Task<LiveRead> ReadInlineAsync(string model, CancellationToken cancellationToken)
    {
        var read = new LiveRead();
        using var response = await http.GetAsync(
            new Uri(address, "/stream?model=" + model),
            HttpCompletionOption.ResponseHeadersRead,
            cancellationToken
        );
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var item in SseParser.Create(stream, (_, data) => Encoding.UTF8.GetString(data)).EnumerateAsync(cancellationToken))
        {
            read.Take(item.Data);
        }

        return read;
    }

    /// <summary>Begins to follow a job; where it is told to come again it does, and another refusal is an exception.</summary>
    public async Task<HttpResponseMessage> OpenAsync(Job job, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, job.Links.Events));
            request.Headers.Accept.ParseAdd("text/event-stream");
            var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode is not HttpStatusCode.ServiceUnavailable || response.Headers.RetryAfter?.Delta is not { } pause)
            {
                Volatile.Write(ref _lastOpenedAt, Stopwatch.GetTimestamp());
                return response.EnsureSuccessStatusCode();
            }

            response.Dispose();
            await Task.Delay(pause, TimeProvider.System, cancellationToken);
        }
    }

    private static string TextOf(string type, ReadOnlySpan<byte> data) =>
        type == JobEventTypes.Delta ? JsonSerializer.Deserialize(data, WireJson.Default.DeltaEvent)!.Text : "";
}

/// <summary>What one reader saw, in milliseconds.</summary>
internal sealed class LiveRead
{
    private readonly long _begunAt = Stopwatch.GetTimestamp();
    private string _rest = "";

    /// <summary>Per token: from the moment the provider wrote it to its arrival here.</summary>
    public List<double> Lags { get; } = [];

    public double FirstLag => Lags.Count > 0 ? Lags[0] : double.NaN;

    /// <summary>From asking to the first token.</summary>
    public double FirstAfter { get; private set; }

    public void Take(string text)
    {
        if (text.Length == 0)
        {
            return;
        }

        if (Lags.Count == 0 && FirstAfter == 0)
        {
            FirstAfter = Stopwatch.GetElapsedTime(_begunAt).TotalMilliseconds;
        }

        var now = (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalMicroseconds;
        var stamps = (_rest + text).Split(' ');
        // A stamp is complete when a space, or its full length of 16 digits, says so.
        for (var i = 0; i < stamps.Length; i++)
        {
            if (stamps[i].Length == 16 && long.TryParse(stamps[i], CultureInfo.InvariantCulture, out var writtenAt))
            {
                Lags.Add((now - writtenAt) / 1000);
                stamps[i] = "";
            }
        }

        _rest = stamps[^1];
    }
}
