using System.Globalization;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Providers;

/// <summary>What is true whatever protocol a provider speaks.</summary>
public sealed class WireTests
{
    private const string Secret = "do not repeat this";

    public static TheoryData<string> Kinds => Wire.Kinds;

    public static TheoryData<string, int, string, string> Refusals
    {
        get
        {
            var all = new TheoryData<string, int, string, string>();
            foreach (var kind in (string[])[Wire.OpenAi, Wire.Anthropic])
            {
                all.Add(kind, 302, "transient", "provider_protocol_error");
                all.Add(kind, 400, "caller_error", "invalid_request");
                all.Add(kind, 401, "provider_auth", "provider_auth");
                all.Add(kind, 402, "provider_auth", "provider_quota_exhausted");
                all.Add(kind, 403, "provider_auth", "provider_auth");
                all.Add(kind, 404, "provider_auth", "provider_model_not_found");
                all.Add(kind, 408, "transient", "provider_timeout");
                all.Add(kind, 409, "transient", "provider_unavailable");
                all.Add(kind, 413, "caller_error", "context_length_exceeded");
                all.Add(kind, 429, "rate_limited", "rate_limited");
                all.Add(kind, 500, "transient", "provider_unavailable");
                all.Add(kind, 504, "transient", "provider_unavailable");
                all.Add(kind, 529, "transient", "provider_unavailable");
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_answer_comes_piece_by_piece_and_ends_with_who_and_how_much(string kind)
    {
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(kind, "Grüße, ", "世界 🎉", "\n")));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(["Grüße, ", "世界 🎉", "\n"], progress.OfType<ChatProgress.Text>().Select(text => text.Delta));
        var finished = Assert.IsType<ChatProgress.Finished>(progress[^1]);
        Assert.Equal(
            ("p0", "m", "m-2026", false, "stop"),
            (
                finished.ServedBy.Provider,
                finished.ServedBy.Model,
                finished.ServedBy.ModelVersion,
                finished.ServedBy.Simulated,
                finished.FinishReason
            )
        );
        Assert.Equal((12, 4, 5), (finished.Usage!.InputTokens, finished.Usage.CachedTokens, finished.Usage.OutputTokens));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_request_has_the_key_the_conversation_and_the_limit(string kind)
    {
        await using var provider = new RawProvider(RawReply.Stream(Wire.Answer(kind, "x")));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        await providers.StreamAsync(options: new ChatOptions { MaxOutputTokens = 77 }).ReadAllAsync();

        var request = Assert.Single(provider.Requests);
        Assert.Equal("Bearer sk-secret-of-the-test", request.Header("Authorization"));
        Assert.Equal(
            ("m", true, 77),
            (
                request.Json.GetProperty("model").GetString(),
                request.Json.GetProperty("stream").GetBoolean(),
                request.Json.GetProperty("max_tokens").GetInt32()
            )
        );
        var message = Assert.Single(request.Json.GetProperty("messages").EnumerateArray());
        Assert.Equal(
            ("user", "Why is the sky blue?"),
            (message.GetProperty("role").GetString(), message.GetProperty("content").GetString())
        );
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task A_refusal_has_its_class_is_asked_once_and_tells_no_secrets(string kind, int status, string @class, string code)
    {
        var type = status == 400 ? "invalid_request_error" : "api_error";
        await using var provider = new RawProvider(
            RawReply.Status(status, Wire.Error(kind, type, Secret), "Location: /v1/elsewhere\r\nX-Should-Retry: true")
        );
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var exception = await Assert.ThrowsAnyAsync<Exception>(() => providers.StreamAsync().ReadAllAsync());

        var failure = ProviderFailures.Classify(exception);
        Assert.Equal((@class, code), (failure.Class, failure.Code));
        Assert.Single(provider.Requests);
        foreach (var secret in (string[])[Secret, "sk-secret", "sky"])
        {
            Assert.DoesNotContain(secret, exception + failure.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(Wire.OpenAi, "Retry-After: 7", 7d)]
    [InlineData(Wire.Anthropic, "Retry-After: 7", 7d)]
    [InlineData(Wire.Anthropic, "Retry-After: 0.25", 0.25)]
    [InlineData(Wire.Anthropic, "Retry-After-Ms: 1500", 1.5)]
    [InlineData(Wire.Anthropic, "Retry-After: Thu, 26 Nov 2026 11:00:30 GMT\r\nDate: Thu, 26 Nov 2026 11:00:00 GMT", 30d)]
    [InlineData(Wire.Anthropic, "Retry-After: 86400", 3600d)]
    [InlineData(Wire.Anthropic, "Retry-After: soon", null)]
    public async Task When_to_come_back_is_told_and_bounded(string kind, string header, double? seconds)
    {
        await using var provider = new RawProvider(RawReply.Status(429, Wire.Error(kind, "rate_limit_error", Secret), header));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var failure = Assert.IsType<ProviderFailure.RateLimited>(await Failure.OfAsync(providers.StreamAsync()));

        Assert.Equal(seconds is { } known ? TimeSpan.FromSeconds(known) : null, failure.RetryAfter);
    }

    [Theory]
    [InlineData("rate_limit_error", "rate_limited")]
    [InlineData("overloaded_error", "provider_unavailable")]
    [InlineData("api_error", "provider_unavailable")]
    [InlineData("timeout_error", "provider_unavailable")]
    [InlineData("authentication_error", "provider_auth")]
    [InlineData("permission_error", "provider_auth")]
    [InlineData("billing_error", "provider_quota_exhausted")]
    [InlineData("not_found_error", "provider_model_not_found")]
    [InlineData("request_too_large", "context_length_exceeded")]
    [InlineData("invalid_request_error", "invalid_request")]
    [InlineData("never_heard_of", "provider_unavailable")]
    public async Task An_error_inside_the_stream_has_its_class_after_the_text_that_came(string type, string code)
    {
        foreach (var kind in (string[])[Wire.OpenAi, Wire.Anthropic])
        {
            await using var provider = new RawProvider(RawReply.Stream(Wire.Begun(kind, "half") + Wire.ErrorEvent(kind, type)));
            using var providers = ProviderHost.OfKind(kind, provider.Address);

            var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

            Assert.Equal((kind, "half", code), (kind, progress.Text(), failure.Code));
            Assert.Single(provider.Requests);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_connection_that_breaks_is_a_failure_after_the_text_that_came_and_is_not_made_again(string kind)
    {
        await using var provider = new RawProvider(RawReply.Cut(Wire.Begun(kind, "ha", "lf")));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(("half", "transient", "provider_unavailable"), (progress.Text(), failure.Class, failure.Code));
        Assert.Single(provider.Requests);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_connection_that_breaks_before_any_answer_is_not_made_again(string kind)
    {
        await using var provider = new RawProvider(new RawReply([]));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal(("transient", "provider_unavailable"), (failure.Class, failure.Code));
        Assert.Single(provider.Requests);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_stream_that_ends_before_its_end_is_never_taken_for_whole(string kind)
    {
        await using var provider = new RawProvider(RawReply.Stream(Wire.Begun(kind, "half")));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(("half", "provider_protocol_error"), (progress.Text(), failure.Code));
        Assert.DoesNotContain(progress, step => step is ChatProgress.Finished);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task F_25_A_provider_that_says_nothing_is_left_when_its_time_is_over(string kind)
    {
        await using var provider = new RawProvider(RawReply.Nothing());
        var clock = new FakeTime();
        using var providers = ProviderHost.OfKind(clock, kind, provider.Address, ("FIRST_TOKEN_TIMEOUT_SECONDS", "0.3"));

        var failing = Failure.OfAsync(providers.StreamAsync());
        await Eventually.TrueAsync(() => provider.Requests.Count == 1, "the call has arrived");
        clock.Advance(TimeSpan.FromSeconds(0.3));

        var failure = await failing;
        Assert.Equal(("provider_timeout", "Provider 'p0' sent no first token within 0.3 s."), (failure.Code, failure.Message));
        await Eventually.TrueAsync(() => provider.Abandoned == 1, "the provider sees that nobody waits any more");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task F_25_A_provider_that_falls_silent_is_left_when_its_time_is_over(string kind)
    {
        await using var provider = new RawProvider(RawReply.Silent(Wire.Begun(kind, "half")));
        using var providers = ProviderHost.OfKind(kind, provider.Address, ("IDLE_TIMEOUT_SECONDS", "0.3"));

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(
            ("half", "provider_timeout", "Provider 'p0' fell silent for 0.3 s in the middle of its answer."),
            (progress.Text(), failure.Code, failure.Message)
        );
        await Eventually.TrueAsync(() => provider.Abandoned == 1, "the provider sees that nobody waits any more");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Leaving_in_the_middle_closes_the_connection(string kind)
    {
        await using var provider = new RawProvider(RawReply.Silent(Wire.Begun(kind, "half")));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        await foreach (var step in providers.StreamAsync().WithCancellation(TestRun.Cancel))
        {
            if (step is ChatProgress.Text)
            {
                break;
            }
        }

        await Eventually.TrueAsync(() => provider.Abandoned == 1, "the provider sees that nobody waits any more");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task F_27_An_answer_far_beyond_its_limit_is_cut_and_says_so(string kind)
    {
        var pieces = Enumerable.Range(0, 2000).Select(i => i.ToString("d20", CultureInfo.InvariantCulture)).ToArray();
        await using var provider = new RawProvider(RawReply.Silent(Wire.Begun(kind, pieces)));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var progress = await providers.StreamAsync(options: new ChatOptions { MaxOutputTokens = 10 }).ReadAllAsync();

        Assert.InRange(progress.Text().Length, 100, 20_000);
        Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
    }

    [Theory]
    [InlineData(Wire.OpenAi, "length", "length")]
    [InlineData(Wire.OpenAi, "content_filter", "content_filter")]
    [InlineData(Wire.OpenAi, "own_word", "own_word")]
    [InlineData(Wire.Anthropic, "stop_sequence", "stop")]
    [InlineData(Wire.Anthropic, "max_tokens", "length")]
    [InlineData(Wire.Anthropic, "model_context_window_exceeded", "length")]
    [InlineData(Wire.Anthropic, "refusal", "content_filter")]
    [InlineData(Wire.Anthropic, "own_word", "own_word")]
    public async Task Why_it_stopped_is_said_in_the_same_words(string kind, string reason, string expected)
    {
        await using var provider = new RawProvider(RawReply.Stream(Wire.Begun(kind, "x") + Wire.End(kind, reason)));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(expected, Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
    }

    [Fact]
    public async Task What_the_openai_wire_says_in_place_of_an_answer_is_a_refusal_although_it_says_that_it_stopped()
    {
        const string Refusal = """
            data: {"choices":[{"index":0,"delta":{"refusal":"I cannot"}}]}

            data: {"choices":[{"index":0,"delta":{"refusal":" do that."}}]}


            """;
        await using var provider = new RawProvider(RawReply.Stream(Refusal + Wire.End(Wire.OpenAi, "stop")));
        using var providers = ProviderHost.OfKind(Wire.OpenAi, provider.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal("I cannot do that.", progress.Text());
        Assert.Equal("refusal", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
    }
}
