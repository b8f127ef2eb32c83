using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Responses whose callers wait for them, and those that go on from others.</summary>
public sealed class FollowedResponseTests(QuicklyBeatingApi api) : IClassFixture<QuicklyBeatingApi>
{
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

    private Task<HttpResponseMessage> PostAsync(string body, params (string Name, string Value)[] headers) =>
        api.Http.CallAsync("/v1/responses", Encoding.UTF8.GetBytes(body), TestRun.Cancel, headers);

    private async Task<bool> IsMarkedAsync(Guid jobId) =>
        await (await api.WorkerAsync()).ScalarAsync<bool>("SELECT cancel_requested FROM jobs WHERE id = @id", jobId);
}
