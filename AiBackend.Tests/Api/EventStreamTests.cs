using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>A server whose streams beat fast enough for a test.</summary>
public sealed class QuicklyBeatingApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings =>
        [("Streaming:Heartbeat", "00:00:00.1"), ("Streaming:KeyCheck", "00:00:00.1")];
}

/// <summary>The event log over server-sent events.</summary>
public sealed class EventStreamTests(QuicklyBeatingApi api) : IClassFixture<QuicklyBeatingApi>
{
    private static readonly string[] Story = ["One, ", "zwei, ", "\"three\"\n", "と四 🎉"];

    [Fact]
    public async Task A_stream_follows_a_job_live_and_closes_after_final()
    {
        var job = await api.SubmitAsync();
        using var response = await OpenAsync(job.Id);
        var reading = ReadToEndAsync(response);

        await TellStoryAsync(job.Id);

        var events = await reading;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        Assert.True(response.Headers.CacheControl!.NoStore);
        Assert.Equal(
            Enumerable.Range(1, events.Count),
            events.Select(item => int.Parse(item.EventId!, System.Globalization.CultureInfo.InvariantCulture))
        );
        Assert.Equal(JobEventTypes.Final, events[^1].EventType);
        var final = JsonSerializer.Deserialize(events[^1].Data, WireJson.Default.FinalEvent)!.Job;
        Assert.Equal((JobStatuses.Completed, Fold(events)), (final.Status, final.Output!.Text));
        Assert.Equal(string.Concat(Story), Fold(events));
        Assert.All(events, item => Assert.Equal(TimeSpan.FromSeconds(3), item.ReconnectionInterval ?? TimeSpan.FromSeconds(3)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stream_resumes_at_every_number_with_exactly_the_rest(bool byHeader)
    {
        var job = await api.SubmitAsync();
        await TellStoryAsync(job.Id);
        var all = await ReadToEndAsync(await OpenAsync(job.Id));

        foreach (var after in Enumerable.Range(0, all.Count))
        {
            using var response = byHeader
                ? await OpenAsync(job.Id, "?after=0", ("Last-Event-ID", $"{after}"))
                : await OpenAsync(job.Id, $"?after={after}");
            var rest = await ReadToEndAsync(response);
            Assert.Equal(all.Skip(after).Select(item => (item.EventId, item.Data)), rest.Select(item => (item.EventId, item.Data)));
        }
    }

    [Fact]
    public async Task A_reader_that_has_the_final_event_is_told_not_to_come_back()
    {
        var job = await api.SubmitAsync();
        await TellStoryAsync(job.Id);
        var last = (await ReadToEndAsync(await OpenAsync(job.Id)))[^1].EventId!;

        using var again = await OpenAsync(job.Id, headers: ("Last-Event-ID", last));

        Assert.Equal(HttpStatusCode.NoContent, again.StatusCode);
        Assert.Equal("", await again.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task A_silent_stream_beats_and_tells_when_to_reconnect()
    {
        var job = await api.SubmitAsync();
        using var response = await OpenAsync(job.Id);
        await using var stream = await response.Content.ReadAsStreamAsync(TestRun.Cancel);
        using var reader = new StreamReader(stream);

        var lines = new List<string?>();
        while (lines.Count(line => line == ":") < 3)
        {
            lines.Add(await reader.ReadLineAsync(TestRun.Cancel));
        }

        Assert.Equal("retry: 3000", lines[0]);
        Assert.Equal(1, lines.Count(line => line!.StartsWith("id:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Json_is_the_same_log_as_pages()
    {
        var job = await api.SubmitAsync();
        var begun = await PageAsync(job.Id, 0);
        await TellStoryAsync(job.Id);

        var streamed = await ReadToEndAsync(await OpenAsync(job.Id));
        var page = await PageAsync(job.Id, 0);
        var rest = await PageAsync(job.Id, begun.NextAfter!.Value);

        Assert.Equal((1, 1), (begun.Data.Count, begun.NextAfter.Value));
        Assert.Null(page.NextAfter);
        Assert.Equal(streamed.Select(item => (item.EventId!, item.EventType)), page.Data.Select(item => ($"{item.Seq}", item.Event)));
        Assert.All(
            streamed.Zip(page.Data),
            pair => Assert.True(JsonElement.DeepEquals(JsonElement.Parse(pair.First.Data), pair.Second.Data))
        );
        Assert.Equal(page.Data.Skip(1).Select(item => item.Seq), rest.Data.Select(item => item.Seq));
        Assert.Empty((await PageAsync(job.Id, page.Data[^1].Seq)).Data);
        Assert.Null((await PageAsync(job.Id, page.Data[^1].Seq)).NextAfter);
    }

    [Theory]
    [InlineData("?after=-1", "\"-1\"")]
    [InlineData("?after=x", "\"x\"")]
    [InlineData("?after=", "\"\"")]
    [InlineData("?after=2147483648", "\"2147483648\"")]
    [InlineData("?after=1&after=2", "\"1,2\"")]
    [InlineData("?after=2", "latest is 1")]
    public async Task A_number_that_cannot_be_resumed_from_is_refused(string query, string named)
    {
        var job = await api.SubmitAsync();

        using var response = await OpenAsync(job.Id, query);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/bad-after", problem.Type);
        Assert.Contains(named, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bad_last_event_id_is_refused_although_the_address_is_good()
    {
        var job = await api.SubmitAsync();

        using var response = await OpenAsync(job.Id, "?after=0", ("Last-Event-ID", "abc"));

        Assert.Contains("Last-Event-ID is \"abc\"", (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text/event-stream", false)]
    [InlineData("*/*", false)]
    [InlineData("text/event-stream, application/json;q=0.5", false)]
    [InlineData("application/json, text/event-stream;q=0.5", true)]
    [InlineData("application/json", true)]
    [InlineData("nonsense", false)]
    public async Task The_reader_chooses_between_stream_and_page(string accept, bool page)
    {
        var job = await api.SubmitAsync();

        using var response = await OpenAsync(job.Id, headers: ("Accept", accept));

        Assert.Equal(page ? "application/json" : "text/event-stream", response.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task A_reader_that_leaves_cancels_nothing_and_is_forgotten()
    {
        var job = await api.SubmitAsync();
        var feed = api.Get<AiBackend.Core.Events.JobEventFeed>();
        using (var response = await OpenAsync(job.Id))
        {
            await Eventually.TrueAsync(() => feed.WatchedCount > 0, "the job is watched");
        }

        await Eventually.TrueAsync(() => feed.WatchedCount == 0, "nobody watches any more");
        Assert.Equal(JobStatuses.Queued, (await api.GetJobAsync(job.Id)).Status);
    }

    [Fact]
    public async Task Many_readers_of_one_job_all_see_the_same_text()
    {
        var job = await api.SubmitAsync();
        var readings = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ => ReadToEndAsync(await OpenAsync(job.Id))));

        await TellStoryAsync(job.Id);

        foreach (var reading in readings)
        {
            Assert.Equal(string.Concat(Story), Fold(await reading));
        }
    }

    [Fact]
    public async Task A_14_a_stream_ends_when_its_key_is_revoked_and_others_of_the_tenant_go_on()
    {
        var job = await api.SubmitAsync();
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read");
        using var ours = await OpenAsync(job.Id);
        using var theirs = await api.Client(key)
            .GetAsync($"/api/v1/jobs/{job.Id}/events", HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        var reading = ReadToEndAsync(ours);

        await api.RevokeAsync(key);

        var seen = await ReadToEndAsync(theirs).WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
        Assert.DoesNotContain(JobEventTypes.Final, seen.Select(item => item.EventType));
        Assert.False(reading.IsCompleted);
        await TellStoryAsync(job.Id);
        Assert.Equal(JobEventTypes.Final, (await reading)[^1].EventType);
    }

    private async Task<HttpResponseMessage> OpenAsync(Guid jobId, string query = "", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{jobId}/events{query}");
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
    }

    private static async Task<List<SseItem<string>>> ReadToEndAsync(HttpResponseMessage response)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(TestRun.Cancel);
        return await SseParser.Create(stream).EnumerateAsync(TestRun.Cancel).ToListAsync(TestRun.Cancel);
    }

    private async Task<JobEventPage> PageAsync(Guid jobId, int after)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{jobId}/events?after={after}");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        return JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.JobEventPage)!;
    }

    /// <summary>The text a reader shows: deltas in order; a reset takes an attempt's text away.</summary>
    private static string Fold(IEnumerable<SseItem<string>> events)
    {
        var text = new StringBuilder();
        foreach (var item in events)
        {
            switch (item.EventType)
            {
                case JobEventTypes.Delta:
                    text.Append(JsonSerializer.Deserialize(item.Data, WireJson.Default.DeltaEvent)!.Text);
                    break;
                case JobEventTypes.Reset:
                    text.Clear();
                    break;
            }
        }

        return text.ToString();
    }

    private async Task TellStoryAsync(Guid jobId)
    {
        var running = await (await api.WorkerAsync()).ClaimAsync(jobId);
        foreach (var part in Story)
        {
            running.AppendText(part);
            await Task.Yield();
        }

        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(string.Concat(Story))));
    }
}
