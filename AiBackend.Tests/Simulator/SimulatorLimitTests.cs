using System.Globalization;
using System.Net.Http.Headers;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Limits;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Simulator;

/// <summary>Its limits refuse as OpenAI's do, with the headers a client can steer by.</summary>
public sealed class SimulatorLimitTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task Beyond_the_requests_per_minute_it_is_429_with_the_time_to_wait()
    {
        var model = await simulator.ModelAsync(new { words = 1, requests_per_minute = 2 });

        using var first = await AskAsync(model);
        using var second = await AskAsync(model);
        using var third = await AskAsync(model);

        Assert.Equal([200, 200, 429], new[] { first, second, third }.Select(response => (int)response.StatusCode));
        Assert.Equal(("2", "1"), (Header(first, "x-ratelimit-limit-requests"), Header(first, "x-ratelimit-remaining-requests")));
        Assert.Equal("0", Header(third, "x-ratelimit-remaining-requests"));
        // Half a minute, less what the machine has taken since the first.
        var wait = double.Parse(Header(third, "retry-after-ms")!, CultureInfo.InvariantCulture);
        Assert.InRange(wait, 15_000, 30_000);
        Assert.Equal(Math.Ceiling(wait / 1000), double.Parse(Header(third, "Retry-After")!, CultureInfo.InvariantCulture));
        // An answer is written before it is noted, so that whoever has read it may be the earlier one.
        await Eventually.TrueAsync(
            async token => (await simulator.CallsAsync(model, token))[^1].GetProperty("outcome").GetString() == "rate_limited",
            "the log says why the third was refused"
        );
    }

    [Fact]
    public async Task Tokens_per_minute_count_input_and_the_most_the_answer_may_have()
    {
        var model = await simulator.ModelAsync(new { words = 1, tokens_per_minute = 1000 });

        using var large = await AskAsync(model, maxTokens: 900);
        using var tooMuch = await AskAsync(model, maxTokens: 900);
        using var small = await AskAsync(model, maxTokens: 10);

        Assert.Equal([200, 429, 200], new[] { large, tooMuch, small }.Select(response => (int)response.StatusCode));
        Assert.InRange(int.Parse(Header(large, "x-ratelimit-remaining-tokens")!, CultureInfo.InvariantCulture), 80, 100);
    }

    [Fact]
    public async Task Beyond_the_calls_at_once_it_is_429_until_one_ends()
    {
        var model = await simulator.ModelAsync(new { hang = "before_first_token", max_concurrency = 1 });
        var running = await AskAsync(model);

        using var refused = await AskAsync(model);
        running.Dispose();

        Assert.Equal((200, 429), ((int)running.StatusCode, (int)refused.StatusCode));
        await Eventually.TrueAsync(
            async _ =>
            {
                using var again = await AskAsync(model);
                return again.IsSuccessStatusCode;
            },
            "the place is free again"
        );
    }

    [Fact]
    public void A_bucket_refills_evenly_and_a_request_larger_than_it_is_let_through_when_it_is_full()
    {
        var clock = new FakeTime();
        var limits = new RateLimits(clock);
        var behaviour = new SimBehaviour { TokensPerMinute = 600 };

        Assert.Null(limits.Enter(behaviour, 5000).Refusal);
        Assert.Equal(TimeSpan.FromSeconds(10), limits.Enter(behaviour, 100).Refusal!.RetryAfter);
        clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.NotNull(limits.Enter(behaviour, 100).Refusal);
        clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Null(limits.Enter(behaviour, 100).Refusal);
    }

    [Fact]
    public async Task The_first_calls_fail_when_told_and_the_next_succeed()
    {
        var model = await simulator.ModelAsync(
            new
            {
                words = 1,
                fail_first = 2,
                error_status = 503,
                retry_after_s = 1.5,
            }
        );

        var statuses = new List<int>();
        for (var call = 0; call < 4; call++)
        {
            using var response = await AskAsync(model);
            statuses.Add((int)response.StatusCode);
            Assert.Equal(call < 2 ? "2" : null, Header(response, "Retry-After"));
        }

        Assert.Equal([503, 503, 200, 200], statuses);
    }

    [Fact]
    public async Task An_error_rate_is_a_share_of_the_calls()
    {
        var model = await simulator.ModelAsync(
            new
            {
                words = 1,
                error_rate = 0.5,
                error_status = 500,
            }
        );

        var responses = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => AskAsync(model)));

        Assert.InRange(responses.Count(response => (int)response.StatusCode == 500), 60, 140);
        Array.ForEach(responses, response => response.Dispose());
    }

    [Fact]
    public async Task The_call_log_is_bounded_cleared_on_demand_and_keeps_no_key()
    {
        var model = await simulator.ModelAsync(new { words = 1 });
        using (await AskAsync(model)) { }
        var log = await simulator.Http.GetStringAsync($"/sim/calls?model={model}", TestRun.Cancel);
        Assert.DoesNotContain("sk-secret", log, StringComparison.Ordinal);
        Assert.Contains("\"authorized\":true", log, StringComparison.Ordinal);

        using var cleared = await simulator.Http.DeleteAsync("/sim/calls", TestRun.Cancel);

        Assert.Empty(await simulator.CallsAsync(model, TestRun.Cancel));
    }

    private async Task<HttpResponseMessage> AskAsync(string model, int? maxTokens = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(
                new
                {
                    model,
                    stream = true,
                    max_tokens = maxTokens,
                    messages = new[] { new { role = "user", content = "?" } },
                }
            ),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "sk-secret-of-the-test");
        return await simulator.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.Single() : null;
}
