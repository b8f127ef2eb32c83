using System.Net;
using System.Text.Json;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>A chat completion is a job: what its caller sees of the job's fate, and the job of the caller's.</summary>
public sealed class ChatCallTests(QuicklyBeatingApi api) : IClassFixture<QuicklyBeatingApi>
{
    [Fact]
    public async Task A_call_waits_for_its_job_and_answers_as_OpenAI_would()
    {
        var calling = api.CallAsync(Hello, ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        var id = await api.NextJobAsync();
        await AnswerAsync(id, "Hello to you.");

        using var response = await calling;
        var answer = await ReadAsync(response);

        Assert.Equal(id, JobIdOf(response));
        Assert.Equal("chat.completion", answer.GetProperty("object").GetString());
        Assert.Equal("default", answer.GetProperty("model").GetString());
        var choice = answer.GetProperty("choices")[0];
        Assert.Equal("Hello to you.", choice.GetProperty("message").GetProperty("content").GetString());
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
        Assert.Equal(12, answer.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        Assert.StartsWith(
            "00-0af7651916cd43dd8448eb211c80319c-",
            response.Headers.GetValues("traceparent").Single(),
            StringComparison.Ordinal
        );
        Assert.Equal("0af7651916cd43dd8448eb211c80319c", (await api.GetJobAsync(id)).TraceId);
    }

    [Fact]
    public async Task A_stream_has_the_text_the_reason_the_usage_and_a_last_word()
    {
        using var response = await api.CallAsync(
            HelloStream.Replace("true", "true,\"stream_options\":{\"include_usage\":true}", StringComparison.Ordinal)
        );
        var reading = ReadStreamAsync(response);
        await AnswerAsync(JobIdOf(response), "One, ", "\"zwei\"\n", "と四 🎉");

        var chunks = await reading;

        Assert.Equal("One, \"zwei\"\nと四 🎉", TextOf(chunks));
        Assert.Equal("[DONE]", chunks[^1]);
        var parsed = chunks.SkipLast(1).Select(data => JsonElement.Parse(data)).ToList();
        Assert.Single(parsed.Select(chunk => (chunk.GetProperty("id").GetString(), chunk.GetProperty("created").GetInt64())).Distinct());
        Assert.All(parsed, chunk => Assert.Equal("chat.completion.chunk", chunk.GetProperty("object").GetString()));
        Assert.Equal("assistant", parsed[0].GetProperty("choices")[0].GetProperty("delta").GetProperty("role").GetString());
        Assert.All(parsed.SkipLast(1), chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("usage").ValueKind));
        Assert.Equal(0, parsed[^1].GetProperty("choices").GetArrayLength());
        Assert.Equal(5, parsed[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal(["stop"], Reasons(parsed));
    }

    [Fact]
    public async Task An_answer_that_begins_anew_after_text_was_sent_ends_the_stream_with_an_error_and_never_joins_two()
    {
        using var response = await api.CallAsync(HelloStream);
        var id = JobIdOf(response);
        var hasText = new TaskCompletionSource();
        var reading = ReadStreamAsync(response, data => (data.Contains("Once", StringComparison.Ordinal) ? hasText : null)?.TrySetResult());
        var running = await ClaimAsync(id);
        running.AppendText("Once upon");
        await hasText.Task.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);

        running.AppendReset("stream_cut");
        running.AppendText("A new beginning");
        var chunks = await reading;
        // Nobody can come back for the job.
        await UntilMarkedAsync(id);

        Assert.Equal("Once upon", TextOf(chunks.SkipLast(1)));
        Assert.Equal("answer_restarted", ErrorOf(chunks[^1]).GetProperty("code").GetString());
        Assert.Empty(Reasons(chunks.SkipLast(1).Select(data => JsonElement.Parse(data))));
        Assert.True(await running.EndAsync(AttemptEnd.Cancelled("x")));
    }

    [Fact]
    public async Task Tool_calls_are_the_jobs_output_and_a_repeat_streams_only_those_that_count()
    {
        var key = ("Idempotency-Key", Guid.CreateVersion7().ToString());
        var body = HelloStream.Insert(
            1,
            """
            "tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{}}}}],
            """
        );
        using var first = await api.CallAsync(body, key);
        var id = JobIdOf(first);
        var running = await ClaimAsync(id);
        running.AppendToolCall(ChatToolCall.Of("call_lost", "weather", "{}"));
        running.AppendReset("stream_cut");
        var call = ChatToolCall.Of("call_1", "weather", "{\"city\":\"Zürich\"}");
        running.AppendToolCall(call);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("") with { ToolCalls = [call], FinishReason = "tool_calls" }));

        using var repeat = await api.CallAsync(body, key);
        var chunks = (await ReadStreamAsync(repeat)).SkipLast(1).Select(data => JsonElement.Parse(data)).ToList();
        using var whole = await api.CallAsync(body.Replace("\"stream\":true,", "", StringComparison.Ordinal), key);
        var message = (await ReadAsync(whole)).GetProperty("choices")[0].GetProperty("message");
        var output = (await api.GetJobAsync(id)).Output!;

        var deltas = chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta"));
        var told = Assert.Single(deltas, delta => delta.TryGetProperty("tool_calls", out _)).GetProperty("tool_calls")[0];
        Assert.Equal((0, "call_1"), (told.GetProperty("index").GetInt32(), told.GetProperty("id").GetString()));
        Assert.Equal("{\"city\":\"Zürich\"}", told.GetProperty("function").GetProperty("arguments").GetString());
        Assert.Equal(["tool_calls"], Reasons(chunks));
        Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
        Assert.Equal("call_1", message.GetProperty("tool_calls")[0].GetProperty("id").GetString());
        Assert.Equal(("", "tool_calls", "call_1"), (output.Text, output.FinishReason, Assert.Single(output.ToolCalls).Id));
        Assert.Equal(2, await (await api.WorkerAsync()).ScalarAsync<int>("SELECT schema_version FROM job_payloads WHERE job_id = @id", id));
    }

    [Fact]
    public async Task A_repeat_with_its_key_finds_the_same_job_and_streams_the_answer_that_counts_from_its_start()
    {
        var key = ("Idempotency-Key", Guid.CreateVersion7().ToString());
        using var first = await api.CallAsync(HelloStream, key);
        var id = JobIdOf(first);
        var hasText = new TaskCompletionSource();
        var firstReading = ReadStreamAsync(
            first,
            data => (data.Contains("Once", StringComparison.Ordinal) ? hasText : null)?.TrySetResult()
        );
        var running = await ClaimAsync(id);
        running.AppendText("Once upon");
        await hasText.Task.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
        running.AppendReset("stream_cut");
        running.AppendText("Anew");
        await firstReading;

        // Not streamed the second time: how an answer is sent is no part of what is asked.
        using var repeat = await api.CallAsync(HelloStream, key);
        var repeatReading = ReadStreamAsync(repeat);
        running.AppendText(" and whole.");
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Anew and whole.")));
        using var whole = await api.CallAsync(Hello, key);

        Assert.Equal(["true"], repeat.Headers.GetValues("Idempotent-Replayed"));
        Assert.Equal((id, id), (JobIdOf(repeat), JobIdOf(whole)));
        var chunks = await repeatReading;
        Assert.Equal(("Anew and whole.", "[DONE]"), (TextOf(chunks), chunks[^1]));
        Assert.Equal(
            "Anew and whole.",
            (await ReadAsync(whole)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()
        );
        Assert.False(await IsMarkedAsync(id));
    }

    [Fact]
    public async Task The_same_key_with_another_question_is_refused_and_a_native_key_is_another()
    {
        var key = ("Idempotency-Key", Guid.CreateVersion7().ToString());
        var native = await api.SubmitAsync(ApiServer.Chat, key);
        await EndAsync(native.Id, AttemptEnd.Succeeded("Hi."));
        var calling = api.CallAsync(Hello, key);
        await AnswerAsync(await api.NextJobAsync(), "Hi.");
        using var answered = await calling;

        using var other = await api.CallAsync(Hello.Replace("Hello", "Bye", StringComparison.Ordinal), key);

        Assert.False(answered.Headers.Contains("Idempotent-Replayed"));
        var error = await ReadErrorAsync(other, HttpStatusCode.UnprocessableEntity);
        Assert.Equal("idempotency_key_reused", error.GetProperty("code").GetString());
        Assert.Contains($"\"{key.Item2}\"", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_caller_that_leaves_takes_its_job_along_unless_it_was_detached(bool stream, bool detach)
    {
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var body = (stream ? HelloStream : Hello).Insert(1, detach ? "\"metadata\":{\"aibackend_detach\":\"true\"}," : "");
        var calling = LeaveAsync(body, leave.Token);
        var running = await ClaimAsync(await api.NextJobAsync());
        running.AppendText("Once");

        await leave.CancelAsync();
        await calling;

        if (detach)
        {
            await Eventually.TrueAsync(_ => Task.FromResult(!api.Get<AttachedCallers>().Any), "the server has seen that the caller left");
            Assert.False(await IsMarkedAsync(running.Job.Lease.JobId));
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Once")));
            return;
        }

        await UntilMarkedAsync(running.Job.Lease.JobId);
        Assert.True(await running.EndAsync(AttemptEnd.Cancelled("Once")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_caller_that_lost_its_connection_finds_its_job_again_by_its_key(bool stream)
    {
        var key = ("Idempotency-Key", Guid.CreateVersion7().ToString());
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var calling = LeaveAsync(stream ? HelloStream : Hello, leave.Token, key);
        var id = await api.NextJobAsync();
        var running = await ClaimAsync(id);
        running.AppendText("Once");

        await leave.CancelAsync();
        await calling;
        await Eventually.TrueAsync(_ => Task.FromResult(!api.Get<AttachedCallers>().Any), "the server has seen that the caller left");

        Assert.False(await IsMarkedAsync(id));
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Once")));
        using var again = await api.CallAsync(Hello, key);
        Assert.Equal((HttpStatusCode.OK, id), (again.StatusCode, JobIdOf(again)));
    }

    [Fact]
    public async Task A_14_who_waits_with_a_key_that_is_revoked_is_told_nothing_and_takes_its_job_along()
    {
        var key = await api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "*");
        using var client = api.Client(key);
        var calling = client.CallAsync("/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Hello), TestRun.Cancel);
        var id = await api.NextJobAsync();
        var waiting = client.GetAsync($"/api/v1/jobs/{id}?wait=60", TestRun.Cancel);
        var running = await ClaimAsync(id);
        running.AppendText("secret");
        await api.RevokeAsync(key);

        // Although the job has not ended.
        foreach (var answer in (HttpResponseMessage[])[await calling, await waiting])
        {
            using (answer)
            {
                Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
                Assert.DoesNotContain("secret", await answer.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
            }
        }

        await UntilMarkedAsync(id);
        Assert.True(await running.EndAsync(AttemptEnd.Cancelled("secret")));
    }

    private async Task LeaveAsync(string body, CancellationToken leave, params (string Name, string Value)[] headers)
    {
        try
        {
            using var response = await api.Http.CallAsync("/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(body), leave, headers);
            await response.Content.ReadAsByteArrayAsync(leave);
        }
        catch (OperationCanceledException)
        {
            // It left.
        }
    }

    private async Task<bool> IsMarkedAsync(Guid jobId) =>
        await (await api.WorkerAsync()).ScalarAsync<bool>("SELECT cancel_requested FROM jobs WHERE id = @id", jobId);

    private Task UntilMarkedAsync(Guid jobId) => Eventually.TrueAsync(_ => IsMarkedAsync(jobId), "the job is cancelled");

    private async Task<RunningJob> ClaimAsync(Guid jobId) => await (await api.WorkerAsync()).ClaimAsync(jobId);

    private async Task EndAsync(Guid jobId, AttemptEnd end) => Assert.True(await (await ClaimAsync(jobId)).EndAsync(end));

    private async Task AnswerAsync(Guid jobId, params string[] parts)
    {
        var running = await ClaimAsync(jobId);
        foreach (var part in parts)
        {
            running.AppendText(part);
        }

        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(string.Concat(parts)) with { Usage = new JobUsage(7, 2, 5, null) }));
    }
}
