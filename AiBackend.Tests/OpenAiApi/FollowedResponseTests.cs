using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Responses whose callers wait for them, and those that go on from others.</summary>
public sealed class FollowedResponseTests(QuicklyBeatingApi api) : IClassFixture<QuicklyBeatingApi>
{
    [Fact]
    public async Task A_repeat_is_answered_as_then_also_when_the_response_it_went_on_from_was_deleted_since()
    {
        using var first = await PostAsync("""{"model":"default","background":true,"input":"Hello"}""");
        var previous = (await ReadAsync(first)).GetProperty("id").GetString()!;
        using var running = await (await api.WorkerAsync()).ClaimAsync(JobIdOf(first));
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Hi.")));
        var next = Encoding.UTF8.GetBytes(
            $$"""{"model":"default","background":true,"previous_response_id":"{{previous}}","input":"And then?"}"""
        );
        (string, string) key = ("Idempotency-Key", $"repeat-{Guid.CreateVersion7():N}");
        using var then = await api.Http.CallAsync("/v1/responses", next, TestRun.Cancel, key);
        (await api.Http.DeleteAsync($"/v1/responses/{previous}", TestRun.Cancel)).EnsureSuccessStatusCode();

        using var repeat = await api.Http.CallAsync("/v1/responses", next, TestRun.Cancel, key);
        using var anew = await api.Http.CallAsync("/v1/responses", next, TestRun.Cancel);
        using var anewWithKey = await api.Http.CallAsync("/v1/responses", next, TestRun.Cancel, (key.Item1, key.Item2 + "x"));

        Assert.True(then.IsSuccessStatusCode && repeat.IsSuccessStatusCode, await repeat.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal(JobIdOf(then), JobIdOf(repeat));
        await ReadErrorAsync(anew, HttpStatusCode.BadRequest);
        await ReadErrorAsync(anewWithKey, HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task A_47_a_conversation_grows_to_its_ceiling_and_no_further_and_the_refusal_says_what_to_do()
    {
        var (said, before, turns) = (new string('x', 900_000), "null", 0);
        while (true)
        {
            using var turn = await PostAsync(
                $$"""{"model":"default","background":true,"previous_response_id":{{before}},"input":"{{said}}"}"""
            );
            if (!turn.IsSuccessStatusCode)
            {
                var error = await ReadErrorAsync(turn, HttpStatusCode.BadRequest);
                Assert.Contains("Begin anew without it", error.GetProperty("message").GetString(), StringComparison.Ordinal);
                break;
            }

            turns++;
            before = (await ReadAsync(turn)).GetProperty("id").GetRawText();
            using var running = await (await api.WorkerAsync()).ClaimAsync(JobIdOf(turn));
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Go on.")));
        }

        Assert.Equal(PreviousResponses.MostInput / said.Length, turns);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stream_that_ends_early_goes_on_without_its_reader_when_it_is_stored_and_tells_the_last_number(bool store)
    {
        using var response = await PostAsync(
            $$"""{"model":"default","stream":true,"store":{{(store ? "true" : "false")}},"input":"Hello"}"""
        );
        var id = JobIdOf(response);
        var hasText = new TaskCompletionSource();
        var reading = ReadStreamAsync(response, data => (data.Contains("Once", StringComparison.Ordinal) ? hasText : null)?.TrySetResult());
        using var running = await (await api.WorkerAsync()).ClaimAsync(id);
        running.AppendText("Once upon");
        await hasText.Task.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);

        running.AppendReset("stream_cut");
        running.AppendText("Anew.");
        var events = (await reading).Select(data => JsonElement.Parse(data)).ToList();

        var (last, error) = (events[^2], events[^1]);
        Assert.Equal("answer_restarted", error.GetProperty("code").GetString());
        Assert.Equal(last.GetProperty("sequence_number").GetInt32(), error.GetProperty("sequence_number").GetInt32());
        var address = $"/v1/responses/resp_{id:N}";
        Assert.Equal(store, error.GetProperty("message").GetString()!.Contains(address, StringComparison.Ordinal));
        if (!store)
        {
            // Nobody can come back for it.
            await Eventually.TrueAsync(_ => IsMarkedAsync(id), "the job is cancelled");
            Assert.True(await running.EndAsync(AttemptEnd.Cancelled("x")));
            return;
        }

        await Eventually.TrueAsync(_ => Task.FromResult(!api.Get<AttachedCallers>().Any), "the server has let the reader go");
        Assert.False(await IsMarkedAsync(id));
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Anew.")));
        Assert.Contains("Anew.", await api.Http.GetStringAsync(address, TestRun.Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_response_takes_over_is_bounded_and_the_refusal_says_what_to_do()
    {
        var text = new string('x', 900_000);
        string? previous = null;
        for (var turn = 1; ; turn++)
        {
            using var response = await PostAsync(
                JsonSerializer.Serialize(
                    new
                    {
                        model = "default",
                        background = true,
                        previous_response_id = previous,
                        input = text,
                    }
                )
            );
            if (turn == 5)
            {
                var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
                Assert.Equal("previous_response_id", error.GetProperty("param").GetString());
                Assert.Contains("summary", error.GetProperty("message").GetString(), StringComparison.Ordinal);
                return;
            }

            previous = (await ReadAsync(response)).GetProperty("id").GetString();
            using var running = await (await api.WorkerAsync()).ClaimAsync(JobIdOf(response));
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Yes.")));
        }
    }

    [Theory]
    [InlineData("""{"role":"user","content":"Hi"},{"role":"robot","content":"x"}""", "input[1].role")]
    [InlineData(
        """{"role":"assistant","content":"x"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call","call_id":"d","name":"a b","arguments":"{}"}""",
        "input[2].name"
    )]
    [InlineData(
        """{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}""",
        "input[1].call_id"
    )]
    [InlineData("""{"type":"function_call_output","call_id":"c","output":"42"}""", "input[0].call_id")]
    [InlineData("""{"role":"user","content":" "}""", "input[0].content")]
    public async Task A_fault_of_the_input_is_told_at_the_item_that_was_sent(string items, string param)
    {
        using var response = await PostAsync($$"""{"model":"default","instructions":"Be brief.","input":[{{items}}]}""");

        var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
        Assert.Equal(param, error.GetProperty("param").GetString());
        Assert.StartsWith(param + " ", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_key_with_another_store_or_background_is_another_request()
    {
        var key = ("Idempotency-Key", Guid.CreateVersion7().ToString());
        const string Body = """{"model":"default","background":true,"input":"Hello"}""";
        using var first = await PostAsync(Body, key);
        using var repeat = await PostAsync(Body, key);
        using var waiting = await PostAsync(Body.Replace("true", "false", StringComparison.Ordinal), key);
        using var unstored = await PostAsync(Body.Replace("\"background\":true", "\"store\":false", StringComparison.Ordinal), key);

        Assert.Equal(JobIdOf(first), JobIdOf(repeat));
        await ReadErrorAsync(waiting, HttpStatusCode.UnprocessableEntity);
        await ReadErrorAsync(unstored, HttpStatusCode.UnprocessableEntity);
    }

    [Theory]
    [InlineData("?starting_after=5", "starting_after")]
    [InlineData("?stream=true&include_obfuscation=true", "include_obfuscation")]
    [InlineData("/input_items?after=item_nowhere", "after")]
    public async Task What_would_be_passed_over_is_refused(string rest, string param)
    {
        using var response = await PostAsync("""{"model":"default","background":true,"input":"Hello"}""");
        var id = (await ReadAsync(response)).GetProperty("id").GetString();

        using var read = await api.Http.GetAsync($"/v1/responses/{id}{rest}", TestRun.Cancel);

        Assert.Equal(param, (await ReadErrorAsync(read, HttpStatusCode.BadRequest)).GetProperty("param").GetString());
    }

    private Task<HttpResponseMessage> PostAsync(string body, params (string Name, string Value)[] headers) =>
        api.Http.CallAsync("/v1/responses", Encoding.UTF8.GetBytes(body), TestRun.Cancel, headers);

    private async Task<bool> IsMarkedAsync(Guid jobId) =>
        await (await api.WorkerAsync()).ScalarAsync<bool>("SELECT cancel_requested FROM jobs WHERE id = @id", jobId);
}
