using System.Globalization;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Retention;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Responses: jobs in the background, their streams that resume at any number, and what the next one takes over.</summary>
public sealed partial class ResponseCallTests(QuicklyBeatingApi api) : IClassFixture<QuicklyBeatingApi>
{
    private const string Background = """{"model":"default","background":true,"instructions":"Be brief.","input":"Hello"}""";

    private static readonly string[] Story = ["One, ", "zwei, ", "\"three\"\n", "と四 🎉"];

    [Fact]
    public async Task A_response_in_the_background_is_queued_runs_and_is_read_until_it_is_deleted()
    {
        var queued = await CreateAsync(Background);
        var id = Text(queued, "id")!;
        var running = await ClaimAsync(JobOf(id));
        running.AppendText("Hi.");
        var begun = await GetAsync(id);
        Assert.True(
            await running.EndAsync(AttemptEnd.Succeeded("Hi.") with { Usage = new JobUsage(7, 2, 5, null), FinishReason = "stop" })
        );
        var done = await GetAsync(id);
        var items = await GetAsync($"{id}/input_items");
        using var deleted = await api.Http.DeleteAsync($"/v1/responses/{id}", TestRun.Cancel);
        using var gone = await api.Http.GetAsync($"/v1/responses/{id}", TestRun.Cancel);
        using var twice = await api.Http.DeleteAsync($"/v1/responses/{id}", TestRun.Cancel);

        Assert.Equal(("queued", "in_progress", "completed"), (Text(queued, "status"), Text(begun, "status"), Text(done, "status")));
        Assert.Equal(
            ("response", "Be brief.", true),
            (Text(done, "object"), Text(done, "instructions"), done.GetProperty("background").GetBoolean())
        );
        Assert.Equal("Hi.", Text(done.GetProperty("output")[0].GetProperty("content")[0], "text"));
        Assert.Equal(12, done.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        Assert.Equal("completed", Text(done.GetProperty("metadata"), "aibackend_status"));
        Assert.Equal("Hello", Text(Assert.Single(items.GetProperty("data").EnumerateArray()).GetProperty("content")[0], "text"));
        Assert.True((await ReadAsync(deleted)).GetProperty("deleted").GetBoolean());
        await ReadErrorAsync(gone, HttpStatusCode.NotFound);
        await ReadErrorAsync(twice, HttpStatusCode.NotFound);
        Assert.Equal(JobStatuses.Completed, (await api.GetJobAsync(JobOf(id))).Status);
    }

    [Fact]
    public async Task A_stream_resumes_at_every_number_with_exactly_the_rest_also_after_its_log_was_compacted()
    {
        var id = Text(await CreateAsync(Background), "id")!;
        var seen = 0;
        var live = StreamAsync(
            id,
            observe: item => seen += item.Type == "response.output_text.delta" ? Text(item.Data, "delta")!.Length : 0
        );
        var call = ChatToolCall.Of("call_1", "f", "{\"a\":1}");
        var running = await ClaimAsync(JobOf(id));
        var said = 0;
        foreach (var part in Story)
        {
            running.AppendText(part);
            said += part.Length;
            // Each part an event of its own: the cursors lie between them.
            await Eventually.TrueAsync(() => Volatile.Read(ref seen) == said, "the part is read");
        }

        running.AppendToolCall(call);
        Assert.True(
            await running.EndAsync(AttemptEnd.Succeeded(string.Concat(Story)) with { ToolCalls = [call], FinishReason = "tool_calls" })
        );
        var all = await live;
        var again = await StreamAsync(id);

        await CompactAsync(JobOf(id));
        var compacted = await StreamAsync(id);
        foreach (var after in Enumerable.Range(0, all.Count))
        {
            var rest = await StreamAsync(id, all[after].Number);
            Assert.Equal(TextOf(all.Skip(after + 1)), TextOf(rest));
            Assert.Equal(Structure(all.Skip(after + 1)), Structure(rest));
            Assert.All(rest, item => Assert.True(item.Number > all[after].Number));
        }

        Assert.Equal(string.Concat(Story), TextOf(all));
        Assert.Equal(all.Select(item => item.Number), all.Select(item => item.Number).Order());
        Assert.Equal(Structure(all), Structure(again));
        Assert.Equal(Structure(all), Structure(compacted));
        Assert.True(compacted.Count < all.Count, "the log was compacted");
        Assert.Equal(
            [
                "response.created",
                "response.queued",
                "response.in_progress",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.output_item.added",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "response.output_item.done",
                "response.completed",
            ],
            all.Where(item => item.Type != "response.output_text.delta").Select(item => item.Type)
        );
    }

    [Fact]
    public async Task A_reader_of_text_that_no_longer_counts_is_told_so_live_and_when_it_resumes()
    {
        var id = Text(await CreateAsync(Background), "id")!;
        var told = new TaskCompletionSource<int>();
        var live = StreamAsync(id, observe: item => (item.Type == "response.output_text.delta" ? told : null)?.TrySetResult(item.Number));
        var running = await ClaimAsync(JobOf(id));
        running.AppendText("Once upon");
        var cursor = await told.Task.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
        running.AppendReset("stream_cut");
        running.AppendText("Anew.");
        var cut = await live;
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Anew.")));

        var resumed = await StreamAsync(id, cursor);
        var fresh = await StreamAsync(id);
        var early = await StreamAsync(id, after: 2);

        Assert.Equal(("error", "answer_restarted"), (cut[^1].Type, Text(cut[^1].Data, "code")));
        Assert.Equal(("error", "answer_restarted"), (Assert.Single(resumed).Type, Text(resumed[0].Data, "code")));
        Assert.Equal(("Anew.", "response.completed"), (TextOf(fresh), fresh[^1].Type));
        Assert.Equal(("Anew.", "response.completed"), (TextOf(early), early[^1].Type));
    }

    [Fact]
    public async Task The_next_response_takes_over_what_was_said_but_not_the_instructions()
    {
        var first = await CreateAsync(
            Background.Replace(
                "true",
                "true,\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}]",
                StringComparison.Ordinal
            )
        );
        var call = ChatToolCall.Of("call_1", "f", "{}");
        var running = await ClaimAsync(JobOf(Text(first, "id")!));
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Let me see.") with { ToolCalls = [call], FinishReason = "tool_calls" }));

        var second = await CreateAsync(
            $$"""{"model":"default","background":true,"instructions":"Rhyme.","previous_response_id":"{{Text(first, "id")}}","input":[{"type":"function_call_output","call_id":"call_1","output":"42"}]}"""
        );
        using var unknown = await PostAsync(
            """{"model":"default","previous_response_id":"resp_00000000000070008000000000000000","input":"x"}"""
        );
        using var unended = await PostAsync($$"""{"model":"default","previous_response_id":"{{Text(second, "id")}}","input":"x"}""");

        var input = JsonElement.Parse(await api.Http.GetStringAsync($"/api/v1/jobs/{JobOf(Text(second, "id")!)}/input", TestRun.Cancel));
        Assert.Equal(
            ["system Rhyme.", "user Hello", "assistant Let me see.", "tool 42"],
            input.GetProperty("messages").EnumerateArray().Select(message => $"{Text(message, "role")} {Text(message, "content")}")
        );
        Assert.Equal(Text(first, "id"), Text(second, "previous_response_id"));
        Assert.Equal("previous_response_id", Text(await ReadErrorAsync(unknown, HttpStatusCode.BadRequest), "param"));
        Assert.Equal("previous_response_id", Text(await ReadErrorAsync(unended, HttpStatusCode.BadRequest), "param"));
    }

    [Fact]
    public async Task A_cancelled_response_says_so_and_only_one_in_the_background_can_be_cancelled()
    {
        var id = Text(await CreateAsync(Background), "id")!;
        var stream = StreamAsync(id);

        using var cancelled = await api.Http.PostAsync($"/v1/responses/{id}/cancel", null, TestRun.Cancel);
        using var twice = await api.Http.PostAsync($"/v1/responses/{id}/cancel", null, TestRun.Cancel);

        Assert.Equal("cancelled", Text(await ReadAsync(cancelled), "status"));
        Assert.Equal("cancelled", Text(await ReadAsync(twice), "status"));
        var last = (await stream)[^1];
        Assert.Equal(("response.incomplete", "cancelled"), (last.Type, Text(last.Data.GetProperty("response"), "status")));

        var waiting = PostAsync("""{"model":"default","input":"Hello"}""");
        var job = await api.NextJobAsync(after: JobOf(id));
        using var refused = await api.Http.PostAsync($"/v1/responses/resp_{job:N}/cancel", null, TestRun.Cancel);
        var error = await ReadErrorAsync(refused, HttpStatusCode.BadRequest);
        Assert.Contains("is not in the background", Text(error, "message"), StringComparison.Ordinal);
        using var running = await (await api.WorkerAsync()).ClaimAsync(job);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Hi.")));
        using var answered = await waiting;
        Assert.Equal("completed", Text(await ReadAsync(answered), "status"));
    }

    [Fact]
    public async Task Another_tenants_response_and_one_that_was_not_stored_are_as_if_they_were_not_there()
    {
        var id = Text(await CreateAsync(Background), "id")!;
        var native = await api.SubmitAsync();
        var stranger = api.Client(await api.AddTenantAsync());

        foreach (var path in (string[])["", "/input_items", "?stream=true"])
        {
            using var foreign = await stranger.GetAsync($"/v1/responses/{id}{path}", TestRun.Cancel);
            await ReadErrorAsync(foreign, HttpStatusCode.NotFound);
        }

        using var foreignCancel = await stranger.PostAsync($"/v1/responses/{id}/cancel", null, TestRun.Cancel);
        using var foreignDelete = await stranger.DeleteAsync($"/v1/responses/{id}", TestRun.Cancel);
        using var job = await api.Http.GetAsync($"/v1/responses/resp_{native.Id:N}", TestRun.Cancel);
        await ReadErrorAsync(foreignCancel, HttpStatusCode.NotFound);
        await ReadErrorAsync(foreignDelete, HttpStatusCode.NotFound);
        await ReadErrorAsync(job, HttpStatusCode.NotFound);
        Assert.Equal("queued", Text(await GetAsync(id), "status"));
    }

    private static Guid JobOf(string id) => Guid.ParseExact(id["resp_".Length..], "N");

    private Task<HttpResponseMessage> PostAsync(string body) =>
        api.Http.CallAsync("/v1/responses", Encoding.UTF8.GetBytes(body), TestRun.Cancel);

    private async Task<JsonElement> CreateAsync(string body)
    {
        using var response = await PostAsync(body);
        return await ReadAsync(response);
    }

    private async Task<JsonElement> GetAsync(string path) =>
        JsonElement.Parse(await api.Http.GetStringAsync($"/v1/responses/{path}", TestRun.Cancel));

    private async Task<List<Said>> StreamAsync(string id, int? after = null, Action<Said>? observe = null)
    {
        var from = after is { } number ? string.Create(CultureInfo.InvariantCulture, $"&starting_after={number}") : "";
        using var response = await api.Http.GetAsync(
            $"/v1/responses/{id}?stream=true{from}",
            HttpCompletionOption.ResponseHeadersRead,
            TestRun.Cancel
        );
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        var all = new List<Said>();
        await using var stream = await response.Content.ReadAsStreamAsync(TestRun.Cancel);
        await foreach (var item in SseParser.Create(stream, (_, data) => Encoding.UTF8.GetString(data)).EnumerateAsync(TestRun.Cancel))
        {
            if (item.Data == "[DONE]")
            {
                continue;
            }

            var data = JsonElement.Parse(item.Data);
            Assert.Equal(item.EventType, Text(data, "type"));
            var said = new Said(item.EventType, data.GetProperty("sequence_number").GetInt32(), data);
            all.Add(said);
            observe?.Invoke(said);
        }

        return all;
    }

    private static string TextOf(IEnumerable<Said> events) =>
        string.Concat(events.Where(item => item.Type == "response.output_text.delta").Select(item => Text(item.Data, "delta")));

    private static IEnumerable<(string, int)> Structure(IEnumerable<Said> events) =>
        events.Where(item => item.Type != "response.output_text.delta").Select(item => (item.Type, item.Number));

    private async Task CompactAsync(Guid jobId)
    {
        var core = await api.WorkerAsync();
        var compact = new CompactLogs(core.Database);
        while ((await compact.RunAsync(TimeSpan.FromHours(-1), TestRun.Cancel)).More)
        {
            // Once more.
        }

        Assert.Equal(1, await core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE job_id = @id AND kind IN (2, 3)", jobId));
    }

    private async Task<RunningJob> ClaimAsync(Guid jobId) => await (await api.WorkerAsync()).ClaimAsync(jobId);

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();

    private sealed record Said(string Type, int Number, JsonElement Data);
}
