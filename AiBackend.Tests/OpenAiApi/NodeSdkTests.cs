using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>The openai package of npm, which nobody here wrote, against the whole running stack.</summary>
[Collection(StackCollection.Name)]
public sealed class NodeSdkTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task It_lists_models_chats_and_streams()
    {
        var model = await _client.TeachWordsAsync(20, 1);

        var models = await RunAsync("models");
        var chat = await RunAsync("chat", model);
        var stream = await RunAsync("stream", model);
        var helper = await RunAsync("helper", model);

        Assert.Contains("default", models.GetProperty("ids").EnumerateArray().Select(id => id.GetString()));
        Assert.Equal("default", Text(models, "one"));
        Assert.Equal((JobClient.Words(20), "stop"), (Text(chat, "text"), Text(chat, "reason")));
        Assert.Equal(20, chat.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.StartsWith("req_", Text(chat, "request"), StringComparison.Ordinal);
        var job = await _client.GetAsync(Guid.Parse(Text(chat, "job")!), TestRun.Cancel);
        Assert.Equal((JobStatuses.Completed, model), (job.Status, job.Model));
        Assert.Equal((JobClient.Words(20), "stop"), (Text(stream, "text"), Text(stream, "reason")));
        Assert.Equal(20, stream.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal((JobClient.Words(20), "stop"), (Text(helper, "text"), Text(helper, "reason")));
    }

    [Fact]
    public async Task It_calls_tools_until_there_is_an_answer_and_gets_JSON_that_fits_its_schema()
    {
        var model = await TeachAsync(new() { ["tools"] = "first", ["words"] = 5 });
        var all = await TeachAsync(new() { ["tools"] = "all" });
        var plain = await TeachAsync([]);

        var tools = await RunAsync("tools", model);
        var stream = await RunAsync("toolStream", all);
        var schema = await RunAsync("schema", plain);

        Assert.Equal(JobClient.Words(5), Text(tools, "text"));
        Assert.Equal("simulated", Text(Assert.Single(tools.GetProperty("called").EnumerateArray()), "city"));
        Assert.Equal("user assistant tool assistant", string.Join(' ', tools.GetProperty("roles").EnumerateArray()));
        Assert.Equal("tool_calls", Text(stream, "reason"));
        Assert.Equal(["weather", "time"], stream.GetProperty("calls").EnumerateArray().Select(call => Text(call, "name")));
        Assert.Equal(1, schema.GetProperty("place").GetProperty("size").GetInt32());
    }

    private async Task<string> TeachAsync(Dictionary<string, object> controls)
    {
        var model = $"sim-{Guid.CreateVersion7():N}";
        using var response = await _stack.Simulator.PutAsJsonAsync($"/sim/behaviours/{model}", controls, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return model;
    }

    [Fact]
    public async Task A_response_in_the_background_outlives_its_reader_who_resumes_in_the_middle_of_a_text()
    {
        var model = await _client.TeachWordsAsync(150, 20);

        var seen = await RunAsync("responses", model);

        Assert.True(Text(seen, "left")!.Length < JobClient.Words(150).Length, "it left before the end");
        Assert.Equal((JobClient.Words(150), "response.completed"), (Text(seen, "text"), Text(seen, "end")));
        Assert.Equal((JobClient.Words(150), "completed"), (Text(seen, "whole"), Text(seen, "status")));
        Assert.Equal(150, seen.GetProperty("usage").GetProperty("output_tokens").GetInt32());
        Assert.Equal((JobClient.Words(150), Text(seen, "id")), (Text(seen, "next"), Text(seen, "previous")));
        Assert.Equal("And?", Assert.Single(seen.GetProperty("items").EnumerateArray()).GetString());
        Assert.Equal("NotFoundError", Text(seen.GetProperty("gone"), "kind"));
    }

    [Fact]
    public async Task Responses_go_on_with_a_conversation()
    {
        var model = await _client.TeachWordsAsync(3, 1);

        var seen = await NodeSdk.RunAsync(_stack, "conversation", model, "openai-conversation.mjs");

        foreach (var told in (ReadOnlySpan<string>)["first", "second", "read"])
        {
            Assert.Equal(Text(seen, "id"), Text(seen.GetProperty(told), "id"));
        }

        var answer = $"assistant: {JobClient.Words(3)}";
        Assert.Equal(
            ["user: One.", answer, "user: Two.", answer],
            seen.GetProperty("said").EnumerateArray().Select(each => each.GetString())
        );
        var second = await _client.GetAsync(Guid.ParseExact(Text(seen, "job")!["resp_".Length..], "N"), TestRun.Cancel);
        Assert.Equal(["system", "history", "input"], second.Context!.Parts.Select(part => part.Name));
        Assert.Equal(
            ("BadRequestError", "previous_response_id"),
            (Text(seen.GetProperty("both"), "kind"), Text(seen.GetProperty("both"), "param"))
        );
    }

    [Fact]
    public async Task A_response_is_cancelled_has_the_form_of_its_schema_and_asks_for_tools()
    {
        var cancelled = await RunAsync("cancelResponse", await _client.TeachWordsAsync(2000, 20));
        var helped = await RunAsync("responseHelper", await TeachAsync([]));

        Assert.Equal(("queued", "cancelled"), (Text(cancelled, "begun"), Text(cancelled, "cancelled")));
        Assert.Equal(("simulated", "completed"), (Text(helped.GetProperty("text"), "city"), Text(helped, "status")));
        Assert.Equal(("function_call", "weather"), (Text(helped.GetProperty("call"), "type"), Text(helped.GetProperty("call"), "name")));
    }

    [Fact]
    public async Task It_uploads_lists_reads_and_deletes_a_file()
    {
        var seen = await RunAsync("files");

        Assert.Equal(("{\"a\":1}\n", "a.jsonl"), (Text(seen, "content"), Text(seen, "name")));
        Assert.True(seen.GetProperty("listed").GetBoolean() && seen.GetProperty("deleted").GetBoolean());
    }

    [Fact]
    public async Task It_has_a_batch_answered_and_reads_what_became_of_its_lines()
    {
        var model = await _client.TeachWordsAsync(5, 1);

        var seen = await RunAsync("batches", model);

        Assert.Equal(("completed", "nightly"), (Text(seen, "status"), Text(seen, "run")));
        Assert.Equal("""{"total":3,"completed":2,"failed":1}""", seen.GetProperty("counts").GetRawText());
        Assert.True(seen.GetProperty("listed").GetBoolean());
        Assert.Equal(
            [$"one: {JobClient.Words(5)}", $"two: {JobClient.Words(5)}"],
            seen.GetProperty("answers").EnumerateArray().Select(each => each.GetString())
        );
        Assert.Equal("odd: unsupported_parameter", Assert.Single(seen.GetProperty("errors").EnumerateArray()).GetString());
        Assert.Equal("batch_ended", Text(seen.GetProperty("cancel"), "code"));
    }

    [Fact]
    public async Task It_gets_embeddings_and_unpacks_them_itself()
    {
        var seen = await RunAsync("embeddings", "sim-embed");

        var usual = seen.GetProperty("usual").EnumerateArray().ToList();
        Assert.Equal([16, 16], usual.Select(vector => vector.GetArrayLength()));
        Assert.Equal(
            usual[1].EnumerateArray().Select(number => number.GetSingle()),
            seen.GetProperty("numbers").EnumerateArray().Select(number => number.GetSingle())
        );
        Assert.True(seen.GetProperty("usage").GetProperty("prompt_tokens").GetInt32() > 0);
        Assert.Equal(("BadRequestError", "model"), (Text(seen.GetProperty("refused"), "kind"), Text(seen.GetProperty("refused"), "param")));
    }

    [Fact]
    public async Task It_knows_our_errors_as_its_own()
    {
        var seen = await RunAsync("errors", await _client.TeachWordsAsync(3, 1));

        Assert.Equal(("AuthenticationError", 401, "invalid_api_key", null), Failure("key"));
        Assert.Equal(("NotFoundError", 404, "model_not_found", "model"), Failure("model"));
        Assert.Equal(("BadRequestError", 400, "unsupported_parameter", "n"), Failure("parameter"));

        (string?, int, string?, string?) Failure(string name)
        {
            var failure = seen.GetProperty(name);
            Assert.StartsWith("req_", Text(failure, "requestId"), StringComparison.Ordinal);
            return (Text(failure, "kind"), failure.GetProperty("status").GetInt32(), Text(failure, "code"), Text(failure, "param"));
        }
    }

    [Fact]
    public async Task A_call_that_it_gives_up_or_aborts_takes_its_job_along()
    {
        var model = await _client.TeachWordsAsync(2000, 20);

        var timedOut = await RunAsync("timeout", model);
        var aborted = await RunAsync("abort", model);

        Assert.Equal("APIConnectionTimeoutError", Text(timedOut, "kind"));
        Assert.Equal(3, aborted.GetProperty("seen").GetInt32());
        var ended = await Eventually.GetAsync(
            async token =>
                JsonElement
                    .Parse(await _stack.Api.GetStringAsync("/api/v1/jobs?limit=200", token))
                    .GetProperty("data")
                    .EnumerateArray()
                    .Where(job => Text(job, "model") == model)
                    .Select(job => Text(job, "status"))
                    .ToList(),
            statuses => statuses.Count > 1 && statuses.All(status => JobStatuses.IsTerminal(status!)),
            "both jobs end",
            TimeSpan.FromSeconds(30)
        );
        // More than two where it gave up once before the server had made a job of its call.
        Assert.All(ended, status => Assert.Equal(JobStatuses.Cancelled, status));
    }

    [Fact]
    public async Task F_2_a_worker_killed_mid_stream_is_an_error_to_it_and_never_an_answer_that_has_ended()
    {
        // Far longer than it takes to kill who writes it.
        var model = await _client.TeachWordsAsync(2000, 20);
        var running = RunAsync("broken", model);
        var holder = await _stack.HolderAsync(model);

        _stack.KillWorker(holder);

        var seen = await running;
        Assert.StartsWith("word1 word2", Text(seen, "text"), StringComparison.Ordinal);
        Assert.False(Text(seen, "text")!.EndsWith("word2000", StringComparison.Ordinal));
        Assert.Equal("answer_restarted", Text(seen.GetProperty("failure"), "code"));
    }

    private Task<JsonElement> RunAsync(string scenario, string model = "default") => NodeSdk.RunAsync(_stack, scenario, model);

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();
}
