using System.Net;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>What the caller of a chat completion is told when its job ends without a whole answer.</summary>
public sealed class ChatEndTests(QuicklyBeatingApi api) : IClassFixture<QuicklyBeatingApi>
{
    [Theory]
    [InlineData("caller_error", "context_length_exceeded", HttpStatusCode.BadRequest, "invalid_request_error")]
    [InlineData("rate_limited", "rate_limited", HttpStatusCode.TooManyRequests, "rate_limit_error")]
    [InlineData("transient", "deadline_exceeded", HttpStatusCode.GatewayTimeout, "server_error")]
    [InlineData("transient", "provider_timeout", HttpStatusCode.BadGateway, "server_error")]
    [InlineData("provider_auth", "provider_auth", HttpStatusCode.BadGateway, "server_error")]
    [InlineData("unknown", "poison", HttpStatusCode.InternalServerError, "server_error")]
    public async Task A_job_that_fails_is_an_error_that_no_client_repeats_by_itself(
        string kind,
        string code,
        HttpStatusCode status,
        string type
    )
    {
        var calling = api.CallAsync(Hello);
        await EndAsync(await api.NextJobAsync(), AttemptEnd.FailedForGood(new(code, kind, "It did not work.", Retryable: true)));
        using var response = await calling;
        using var stream = await api.CallAsync(HelloStream);
        var reading = ReadStreamAsync(stream);
        await EndAsync(JobIdOf(stream), AttemptEnd.FailedForGood(new(code, kind, "It did not work.", Retryable: true)));

        var error = await ReadErrorAsync(response, status);
        var told = ErrorOf(Assert.Single(await reading));

        Assert.Equal((type, code), (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        Assert.Equal(error.GetRawText(), told.GetRawText());
        Assert.Equal(["false"], response.Headers.GetValues("x-should-retry"));
    }

    [Fact]
    public async Task A_cancelled_job_is_told_as_such()
    {
        var calling = api.CallAsync(Hello);
        var id = await api.NextJobAsync();
        using var cancelled = await api.Http.PostAsync($"/api/v1/jobs/{id}/cancel", null, TestRun.Cancel);

        using var response = await calling;

        Assert.Equal("job_cancelled", (await ReadErrorAsync(response, HttpStatusCode.Conflict)).GetProperty("code").GetString());
        Assert.Equal(["false"], response.Headers.GetValues("x-should-retry"));
    }

    [Fact]
    public async Task An_answer_that_was_cut_off_never_says_stop()
    {
        using var response = await api.CallAsync(HelloStream);
        var reading = ReadStreamAsync(response);
        var running = await ClaimAsync(JobIdOf(response));
        running.AppendText("Half of");
        Assert.True(await running.EndAsync(AttemptEnd.Partial("Half of", "The rest.")));

        var chunks = await reading;

        Assert.Equal(["length"], Reasons(chunks.SkipLast(1).Select(data => JsonElement.Parse(data))));
    }

    private async Task<RunningJob> ClaimAsync(Guid jobId) => await (await api.WorkerAsync()).ClaimAsync(jobId);

    private async Task EndAsync(Guid jobId, AttemptEnd end) => Assert.True(await (await ClaimAsync(jobId)).EndAsync(end));
}
