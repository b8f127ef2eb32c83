using System.Net;
using System.Text.Json;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi.Embeddings;

/// <summary>Embeddings take from the same limits and budgets as jobs, and providers fail them as they fail those.</summary>
public sealed class EmbeddingLimitTests(EmbeddingApi api) : IClassFixture<EmbeddingApi>
{
    [Fact]
    public async Task I_6_a_budget_that_is_spent_refuses_before_the_provider_is_asked()
    {
        var model = await api.ModelAsync();
        await api.SendAsync(HttpMethod.Put, $"/api/v1/prices/simulator/{model}", """{"input_per_million":1000,"output_per_million":0}""");
        await api.SendAsync(HttpMethod.Post, "/api/v1/budgets", """{"scope":"user","subject":"poor","window":"day","limit_usd":0.0001}""");

        using var poor = await api.EmbedAsync(EmbeddingApi.Body(model, more: ",\"user\":\"poor\""));
        using var rich = await api.EmbedAsync(EmbeddingApi.Body(model, more: ",\"user\":\"rich\""));

        var error = await ReadErrorAsync(poor, HttpStatusCode.TooManyRequests);
        Assert.Equal(("rate_limit_error", "budget_spent"), (Text(error, "type"), Text(error, "code")));
        Assert.Equal(["false"], poor.Headers.GetValues("x-should-retry"));
        Assert.True(rich.IsSuccessStatusCode);
        Assert.Single(await api.Simulator.CallsAsync(model, TestRun.Cancel));
    }

    [Fact]
    public async Task What_a_provider_allows_is_not_exceeded_and_the_caller_is_told_when_to_come_back()
    {
        var model = await api.ModelAsync();
        await api.SendAsync(HttpMethod.Put, $"/api/v1/deployments/simulator/{model}", """{"limits":{"requests_per_minute":2}}""");

        var responses = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => api.EmbedAsync(EmbeddingApi.Body(model))));

        Assert.Equal(2, responses.Count(response => response.StatusCode == HttpStatusCode.OK));
        foreach (var refused in responses.Where(response => response.StatusCode != HttpStatusCode.OK))
        {
            var error = await ReadErrorAsync(refused, HttpStatusCode.TooManyRequests);
            Assert.Equal("provider_busy", Text(error, "code"));
            Assert.True(refused.Headers.RetryAfter!.Delta > TimeSpan.FromSeconds(1));
        }

        Assert.Equal(2, (await api.Simulator.CallsAsync(model, TestRun.Cancel)).Count);
    }

    [Fact]
    public async Task A_provider_that_takes_one_call_at_once_is_asked_one_after_the_other()
    {
        var model = await api.ModelAsync(new { max_concurrency = 1, ttft_ms = 20 });
        await api.SendAsync(HttpMethod.Put, $"/api/v1/deployments/simulator/{model}", """{"limits":{"concurrent_calls":1}}""");

        var responses = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => api.EmbedAsync(EmbeddingApi.Body(model))));

        Assert.Contains(responses, response => response.StatusCode == HttpStatusCode.OK);
        Assert.DoesNotContain(await api.Simulator.CallsAsync(model, TestRun.Cancel), call => Text(call, "outcome") == "rate_limited");
        await api.SettledAsync(model);
        using var later = await api.EmbedAsync(EmbeddingApi.Body(model));
        Assert.True(later.IsSuccessStatusCode, "nobody holds a place any more");
    }

    [Fact]
    public async Task A_key_that_has_used_up_its_limit_is_refused()
    {
        var model = await api.ModelAsync();
        using var made = await api.Api.Http.PostAsJsonAsync(
            "/api/v1/keys",
            JsonElement.Parse("""{"name":"few","scopes":["jobs:write"],"limits":{"requests_per_minute":1}}"""),
            TestRun.Cancel
        );
        var http = api.Api.Client(Text(await ReadAsync(made), "value"));

        var body = System.Text.Encoding.UTF8.GetBytes(EmbeddingApi.Body(model));
        using var first = await http.CallAsync("/v1/embeddings", body, TestRun.Cancel);
        using var second = await http.CallAsync("/v1/embeddings", body, TestRun.Cancel);

        Assert.True(first.IsSuccessStatusCode);
        Assert.Equal("key_limit_reached", Text(await ReadErrorAsync(second, HttpStatusCode.TooManyRequests), "code"));
        Assert.Single(await api.Simulator.CallsAsync(model, TestRun.Cancel));
    }

    [Fact]
    public async Task F_23_a_provider_that_is_away_or_busy_for_a_moment_is_asked_again_within_the_request()
    {
        var down = await api.ModelAsync(new { fail_first = 2, error_status = 503 });
        var busy = await api.ModelAsync(
            new
            {
                fail_first = 1,
                error_status = 429,
                retry_after_s = 1,
            }
        );

        using var afterDown = await api.EmbedAsync(EmbeddingApi.Body(down));
        using var afterBusy = await api.EmbedAsync(EmbeddingApi.Body(busy));

        Assert.True(afterDown.IsSuccessStatusCode, await afterDown.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.True(afterBusy.IsSuccessStatusCode, await afterBusy.Content.ReadAsStringAsync(TestRun.Cancel));
        // What was refused is billed nobody.
        Assert.Equal([null, null, 4L], (await api.SettledAsync(down)).Select(row => row.Input));
    }

    [Theory]
    [InlineData("""{"hang":"before_first_token"}""", 4)]
    [InlineData("""{"cut_after_tokens":1}""", 4)]
    [InlineData("""{"malformed":"html"}""", 4)]
    [InlineData("""{"error_rate":1,"error_status":500}""", 2)]
    public async Task F_26_a_provider_that_fails_every_time_is_said_to_have_failed_and_what_it_may_have_billed_is_booked(
        string behaviour,
        int state
    )
    {
        var model = await api.SilentModelAsync(JsonElement.Parse(behaviour));

        using var response = await api.EmbedAsync(EmbeddingApi.Body(model));

        Assert.Equal("provider_failed", Text(await ReadErrorAsync(response, HttpStatusCode.BadGateway), "code"));
        Assert.All(await api.SettledAsync(model), row => Assert.Equal(state, row.State));
    }

    [Theory]
    [InlineData("huge")]
    [InlineData("negative")]
    public async Task A_56_a_usage_that_cannot_be_true_is_not_booked_and_its_call_is_disputed(string usage)
    {
        var model = await api.ModelAsync(new { usage });

        using var response = await api.EmbedAsync(EmbeddingApi.Body(model));

        Assert.True(response.IsSuccessStatusCode, "the vectors are what they are");
        var row = Assert.Single(await api.SettledAsync(model));
        Assert.Equal((4, null), (row.State, row.Input));
        var report = await api.Api.Http.GetStringAsync($"/api/v1/usage?model={model}", TestRun.Cancel);
        Assert.Contains("\"disputed_calls\":1", report, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_45_answers_that_would_not_fit_into_memory_are_refused_and_there_is_room_when_others_have_left()
    {
        var model = await api.ModelAsync(new { hang = "before_headers" });
        var other = await api.ModelAsync();
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var many = EmbeddingApi.Body(model, JsonSerializer.Serialize(Enumerable.Repeat("a", 2048)));
        var large = api.Api.Http.CallAsync("/v1/embeddings", System.Text.Encoding.UTF8.GetBytes(many), leave.Token);
        await Eventually.TrueAsync(async token => (await api.Simulator.CallsAsync(model, token)).Count > 0, "the provider is asked");

        using var refused = await api.EmbedAsync(EmbeddingApi.Body(other));
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);

        Assert.Equal("overloaded", Text(await ReadErrorAsync(refused, HttpStatusCode.ServiceUnavailable), "code"));
        Assert.Equal(TimeSpan.FromSeconds(1), refused.Headers.RetryAfter!.Delta);
        await Eventually.TrueAsync(
            async _ => (await api.EmbedAsync(EmbeddingApi.Body(other))).IsSuccessStatusCode,
            "there is room when the large one has left"
        );
    }

    [Fact]
    public async Task A_caller_that_leaves_takes_its_call_along_whose_end_is_booked_as_unknown()
    {
        var model = await api.ModelAsync(new { hang = "before_first_token" });
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var call = api.Api.Http.CallAsync("/v1/embeddings", System.Text.Encoding.UTF8.GetBytes(EmbeddingApi.Body(model)), leave.Token);
        await Eventually.TrueAsync(async token => (await api.Simulator.CallsAsync(model, token)).Count > 0, "the provider is asked");

        await leave.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal("client_aborted", Text(await api.Simulator.EndedCallAsync(model), "outcome"));
        Assert.Equal(4, Assert.Single(await api.SettledAsync(model)).State);
    }

    [Fact]
    public async Task F_48_a_call_whose_server_died_is_booked_when_no_caller_can_wait_for_it_any_more_and_not_before()
    {
        var model = await api.ModelAsync();
        using var made = await api.EmbedAsync(EmbeddingApi.Body(model));
        await api.SettledAsync(model);

        await ExecuteAsync($"UPDATE provider_calls SET state = 1, reserved_at = now() - interval '10 minutes' WHERE model = '{model}'");
        await ExecuteAsync("SELECT close_abandoned_calls('1 minute', 10)");
        var open = Assert.Single(await api.LedgerAsync(model));
        await ExecuteAsync($"UPDATE provider_calls SET reserved_at = now() - interval '13 minutes' WHERE model = '{model}'");
        await ExecuteAsync("SELECT close_abandoned_calls('1 minute', 10)");

        Assert.Equal((1, 4), (open.State, Assert.Single(await api.LedgerAsync(model)).State));
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = api.Api.Db.Source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private static string? Text(JsonElement value, string member) => value.GetProperty(member).GetString();
}
