using System.Net;
using System.Net.Http.Headers;
using AiBackend.ServiceDefaults;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>What a wrapped client repeats, how long it waits and when it gives up; and that others are left alone.</summary>
public sealed class StandardResilienceTests : IDisposable
{
    private readonly FakeTime _clock = new();
    private readonly ScriptedServer _server = new();
    private ServiceProvider? _services;

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task A_call_that_may_be_repeated_is_repeated_until_it_works(string method)
    {
        _server.Answer(HttpStatusCode.ServiceUnavailable).Refuse().Answer(HttpStatusCode.OK);

        using var answer = await RunAsync(Send(Wrapped(), method));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(3, _server.Requests.Count);
        Assert.All(_server.Requests, body => Assert.Equal("body", body));
    }

    [Fact]
    public async Task A_post_is_sent_once()
    {
        _server.Answer(HttpStatusCode.ServiceUnavailable).Answer(HttpStatusCode.OK);

        using var answer = await RunAsync(Send(Wrapped(), "POST"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Single(_server.Requests);
    }

    [Fact]
    public async Task A_post_with_an_idempotency_key_may_be_repeated()
    {
        _server.Answer(HttpStatusCode.ServiceUnavailable).Answer(HttpStatusCode.OK);

        using var answer = await RunAsync(Send(Wrapped(), "POST", request => request.Headers.Add("Idempotency-Key", "k1")));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task A_refusal_is_not_repeated()
    {
        _server.Answer(HttpStatusCode.NotFound);

        using var answer = await RunAsync(Send(Wrapped(), "GET"));

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task The_last_failure_is_returned_when_repeating_does_not_help()
    {
        _server.Answer(HttpStatusCode.BadGateway, times: 4);

        using var answer = await RunAsync(Send(Wrapped(), "GET"));

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Equal(4, _server.Requests.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Retry_after_is_waited_for_to_the_second(bool asDate)
    {
        var wait = asDate ? new RetryConditionHeaderValue(_clock.GetUtcNow() + TimeSpan.FromSeconds(7)) : new(TimeSpan.FromSeconds(7));
        _server.Answer(HttpStatusCode.TooManyRequests, wait).Answer(HttpStatusCode.OK);

        var call = Send(Wrapped(), "GET");
        await _clock.WaitForTimerAsync(TimeSpan.FromSeconds(7), TestRun.Cancel);
        _clock.Advance(TimeSpan.FromSeconds(6.9));
        Assert.Single(_server.Requests);
        _clock.Advance(TimeSpan.FromSeconds(0.1));

        using var answer = await call;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task A_retry_after_beyond_the_total_time_is_told_to_the_caller_at_once()
    {
        _server.Answer(HttpStatusCode.TooManyRequests, new RetryConditionHeaderValue(TimeSpan.FromMinutes(5)));

        using var answer = await Send(Wrapped(), "GET");

        Assert.Equal(TimeSpan.FromMinutes(5), answer.Headers.RetryAfter!.Delta);
    }

    [Fact]
    public async Task A_silent_service_costs_the_attempt_time_and_then_another_attempt()
    {
        _server.Hang().Answer(HttpStatusCode.OK);

        using var answer = await RunAsync(Send(Wrapped(), "GET"));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(2, _server.Requests.Count);
    }

    [Fact]
    public async Task A_call_without_an_answer_says_whom_it_waited_for_and_how_long()
    {
        _server.Hang();

        var failure = await Assert.ThrowsAsync<HttpRequestException>(() => RunAsync(Send(Wrapped(), "POST")));

        Assert.Equal("'wrapped' had no answer within 5 s: POST http://service/things.", failure.Message);
    }

    [Fact]
    public async Task A_caller_that_goes_away_is_obeyed_and_not_mistaken_for_a_time_out()
    {
        _server.Hang();
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);

        var call = Send(Wrapped(), "GET", cancellationToken: caller.Token);
        await Eventually.TrueAsync(() => _server.Requests.Count == 1, "the call is on its way");
        await caller.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task A_service_that_keeps_failing_is_left_in_peace_and_then_tried_again()
    {
        _server.Answer(HttpStatusCode.InternalServerError, times: 20).Answer(HttpStatusCode.OK);
        var client = Wrapped();
        for (var call = 0; call < 20; call++)
        {
            using var failed = await Send(client, "POST");
        }

        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => Send(client, "POST"));
        Assert.Contains("'wrapped' are refused", refused.Message);
        Assert.Equal(20, _server.Requests.Count);
        _clock.Advance(TimeSpan.FromSeconds(5.1));

        using var answer = await Send(client, "POST");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task A_client_that_did_not_ask_is_left_alone()
    {
        _server.Answer(HttpStatusCode.ServiceUnavailable).Answer(HttpStatusCode.OK);

        using var answer = await Send(Client("plain"), "GET");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Single(_server.Requests);
    }

    public void Dispose()
    {
        _services?.Dispose();
        _server.Dispose();
    }

    private HttpClient Wrapped() => Client("wrapped");

    private HttpClient Client(string name)
    {
        if (_services is null)
        {
            var services = new ServiceCollection().AddLogging().AddSingleton<TimeProvider>(_clock);
            services.AddHttpClient("wrapped").ConfigurePrimaryHttpMessageHandler(() => _server).AddStandardResilience();
            services.AddHttpClient("plain").ConfigurePrimaryHttpMessageHandler(() => _server);
            _services = services.BuildServiceProvider();
        }

        return _services.GetRequiredService<IHttpClientFactory>().CreateClient(name);
    }

    private static async Task<HttpResponseMessage> Send(
        HttpClient client,
        string method,
        Action<HttpRequestMessage>? change = null,
        CancellationToken? cancellationToken = null
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://service/things");
        request.Content = new OneTimeContent();
        change?.Invoke(request);
        return await client.SendAsync(request, cancellationToken ?? TestRun.Cancel);
    }

    /// <summary>Lets time pass in small steps for as long as the call waits for it.</summary>
    private async Task<HttpResponseMessage> RunAsync(Task<HttpResponseMessage> call)
    {
        await Eventually.TrueAsync(
            () =>
            {
                _clock.Advance(TimeSpan.FromMilliseconds(100));
                return call.IsCompleted;
            },
            "the call ends"
        );
        return await call;
    }

    /// <summary>As a body that is read from a stream: it cannot be sent twice.</summary>
    private sealed class OneTimeContent : HttpContent
    {
        private bool _isSent;

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            Assert.False(_isSent, "the body was read twice");
            _isSent = true;
            return stream.WriteAsync("body"u8.ToArray(), TestRun.Cancel).AsTask();
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 4;
            return true;
        }
    }
}
