using System.Net;
using AiBackend.Core.Controls.Caps;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Calls that cannot be answered now: too much waits, it takes too long, or the server stops.</summary>
public sealed class BusyCallTests(PostgresServer postgres) : IAsyncLifetime
{
    // A job may be counted twice for a moment, while the load is read anew: one call must not keep out the next.
    private const int Most = 3;

    private readonly BusyApi _api = new(postgres);

    public ValueTask InitializeAsync() => _api.InitializeAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task I_14_one_call_too_many_is_refused_with_the_time_to_come_back()
    {
        await _api.Get<QueueCaps>().DescribeAsync();
        for (var i = 0; i < Most; i++)
        {
            await Eventually.TrueAsync(
                async _ =>
                {
                    using var submitted = await _api.PostAsync(ApiServer.Chat);
                    return submitted.StatusCode == HttpStatusCode.Accepted;
                },
                // At once, unless the one before is counted twice.
                "there is room for as many as may wait"
            );
        }

        foreach (var body in (string[])[Hello, HelloStream])
        {
            using var refused = await _api.CallAsync(body);
            var error = await ReadErrorAsync(refused, HttpStatusCode.TooManyRequests);
            Assert.Equal(
                ("rate_limit_error", "tenant_queue_full"),
                (error.GetProperty("type").GetString(), error.GetProperty("code").GetString())
            );
            Assert.True(refused.Headers.RetryAfter!.Delta > TimeSpan.Zero);
        }
    }

    [Fact]
    public async Task A_call_that_takes_too_long_is_given_up_with_its_job_unless_its_caller_can_come_back()
    {
        using var lost = await _api.CallAsync(Hello);
        using var kept = await _api.CallAsync(Hello, ("Idempotency-Key", "kept"));

        foreach (var response in (HttpResponseMessage[])[lost, kept])
        {
            Assert.Equal("wait_too_long", (await ReadErrorAsync(response, HttpStatusCode.GatewayTimeout)).GetProperty("code").GetString());
            Assert.Equal(["false"], response.Headers.GetValues("x-should-retry"));
        }

        // After its answer was sent.
        await Eventually.TrueAsync(
            async _ => (await _api.GetJobAsync(JobIdOf(lost))).Status == "cancelled",
            "the job that nobody can come back for is cancelled"
        );
        Assert.Equal("queued", (await _api.GetJobAsync(JobIdOf(kept))).Status);
    }

    [Fact]
    public async Task I_21_a_server_that_stops_ends_a_stream_with_an_error_and_never_like_an_answer()
    {
        using var response = await _api.CallAsync(HelloStream, ("Idempotency-Key", "stays"));
        var hasText = new TaskCompletionSource();
        var reading = ReadStreamAsync(response, data => (data.Contains("Once", StringComparison.Ordinal) ? hasText : null)?.TrySetResult());
        using var running = await (await _api.WorkerAsync()).ClaimAsync(JobIdOf(response));
        running.AppendText("Once");
        await hasText.Task.WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);

        _api.Get<IHostApplicationLifetime>().StopApplication();
        var chunks = await reading;

        Assert.Equal("server_stopping", ErrorOf(chunks[^1]).GetProperty("code").GetString());
        Assert.DoesNotContain("[DONE]", chunks);
        // The caller has its key: the next server finds the answer.
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("Once")));
    }

    private sealed class BusyApi(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            [("Backpressure:MaxQueuedPerTenant", $"{Most}"), ("OpenAi:LongestWait", "00:00:00.3")];
    }
}
