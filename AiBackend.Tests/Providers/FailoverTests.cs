using System.Net;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>Another provider answers when the first cannot, and only while nobody has seen any text.</summary>
public sealed class FailoverTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    public static TheoryData<string, string> Recoverable =>
        new()
        {
            { """{"error_rate":1,"error_status":500}""", "provider_unavailable" },
            { """{"error_rate":1,"error_status":503}""", "provider_unavailable" },
            { """{"error_rate":1,"error_status":429,"retry_after_s":30}""", "rate_limited" },
            { """{"error_rate":1,"error_status":429,"error_code":"insufficient_quota"}""", "provider_quota_exhausted" },
            { """{"error_rate":1,"error_status":401}""", "provider_auth" },
            { """{"error_rate":1,"error_status":403}""", "provider_auth" },
            { """{"error_rate":1,"error_status":404}""", "provider_model_not_found" },
            { """{"error_rate":1,"error_status":302}""", "provider_protocol_error" },
            { """{"hang":"before_headers"}""", "provider_timeout" },
            { """{"hang":"before_first_token"}""", "provider_timeout" },
            { """{"cut_after_tokens":0}""", "provider_unavailable" },
            { """{"malformed":"html"}""", "provider_protocol_error" },
            { """{"malformed":"nothing"}""", "provider_protocol_error" },
            { """{"malformed":"line_without_end"}""", "provider_protocol_error" },
        };

    [Theory]
    [MemberData(nameof(Recoverable))]
    public async Task F_28_What_another_provider_may_do_better_is_failed_over_invisibly(string behaviour, string code)
    {
        var bad = await ModelAsync(behaviour);
        var good = await simulator.ModelAsync(new { words = 2 });
        // Who is silent is soon left; whoever answers has the time that a slow machine needs.
        var isSilent = behaviour.Contains("hang", StringComparison.Ordinal);
        using var providers = isSilent
            ? new ProviderHost([.. Entries(bad, good), new("AIBACKEND_PROVIDERS__0__FIRST_TOKEN_TIMEOUT_SECONDS", "0.5")])
            : Two(bad, good);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(
            ["CallStarted", "FailedOver", "CallStarted", "Text", "Text", "Finished"],
            progress.Select(step => step.GetType().Name)
        );
        var failedOver = Assert.IsType<ChatProgress.FailedOver>(progress[1]);
        Assert.Equal(("p0", "p1", code), (failedOver.From, failedOver.To, failedOver.Failure.Code));
        Assert.Equal("word1 word2", progress.Text());
        var served = Assert.IsType<ChatProgress.Finished>(progress[^1]).ServedBy;
        Assert.Equal(("p1", good, 1), (served.Provider, served.Model, served.Fallbacks));
        if (!isSilent)
        {
            // Else it may have been left before the call arrived.
            await simulator.EndedCallAsync(bad);
        }
    }

    [Fact]
    public async Task A_provider_that_refuses_connections_is_failed_over()
    {
        var good = await simulator.ModelAsync(new { words = 1 });
        using var providers = new ProviderHost(ProviderHost.Entries([Closed(), simulator.Address], _ => good));

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal("word1", progress.Text());
        var failure = Assert.IsType<ChatProgress.FailedOver>(progress[1]).Failure;
        Assert.Equal(("provider_unavailable", "The provider could not be reached."), (failure.Code, failure.Message));
    }

    [Theory]
    [InlineData("""{"error_rate":1,"error_status":400}""", "invalid_request")]
    [InlineData("""{"error_rate":1,"error_status":422}""", "invalid_request")]
    [InlineData("""{"error_rate":1,"error_status":400,"error_code":"context_length_exceeded"}""", "context_length_exceeded")]
    [InlineData("""{"error_rate":1,"error_status":400,"error_code":"content_filter"}""", "content_refused")]
    public async Task F_28_The_callers_own_error_goes_to_the_caller_and_to_nobody_else(string behaviour, string code)
    {
        var bad = await ModelAsync(behaviour);
        var good = await simulator.ModelAsync(new { words = 2 });
        using var providers = Two(bad, good);

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.IsType<ProviderFailure.CallerError>(failure);
        Assert.Equal((code, false), (failure.Code, failure.Retryable));
        Assert.Single(progress);
        Assert.Empty(await simulator.CallsAsync(good, TestRun.Cancel));
    }

    [Fact]
    public async Task All_tokens_before_a_cut_are_delivered()
    {
        var model = await simulator.ModelAsync(
            new
            {
                words = 50,
                interval_ms = 2,
                cut_after_tokens = 20,
            }
        );
        using var providers = ProviderHost.For(model, simulator.Address);

        var (progress, _) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(string.Concat(Enumerable.Range(1, 20).Select(i => $"word{i} ")), progress.Text());
    }

    [Fact]
    public async Task Providers_are_asked_in_their_configured_order()
    {
        var down = await ModelAsync("""{"error_rate":1,"error_status":503}""");
        var busy = await ModelAsync("""{"error_rate":1,"error_status":429}""");
        var good = await simulator.ModelAsync(new { words = 1 });
        using var providers = Three(down, busy, good);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(["p0", "p1", "p2"], progress.OfType<ChatProgress.CallStarted>().Select(call => call.Provider));
        Assert.Equal(2, Assert.IsType<ChatProgress.Finished>(progress[^1]).ServedBy.Fallbacks);
    }

    [Theory]
    [InlineData(401, 503, 404, "provider_unavailable")]
    [InlineData(401, 404, 429, "rate_limited")]
    [InlineData(429, 503, 401, "rate_limited")]
    [InlineData(401, 404, 403, "provider_auth")]
    public async Task F_29_When_nobody_answers_the_failure_that_gives_most_hope_is_reported(int first, int second, int third, string code)
    {
        using var providers = Three(await FailingAsync(first), await FailingAsync(second), await FailingAsync(third));

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(code, failure.Code);
        Assert.Equal(2, progress.OfType<ChatProgress.FailedOver>().Count());
    }

    [Fact]
    public async Task A_model_asked_for_by_name_goes_only_to_providers_that_have_it()
    {
        var first = await simulator.ModelAsync(new { words = 1 });
        var second = await simulator.ModelAsync(new { words = 2 });
        using var providers = Two(first, second);

        var progress = await providers.StreamAsync(second).ReadAllAsync();

        Assert.Equal("word1 word2", progress.Text());
        Assert.Equal(
            ("p1", 0),
            (
                progress.OfType<ChatProgress.CallStarted>().Single().Provider,
                Assert.IsType<ChatProgress.Finished>(progress[^1]).ServedBy.Fallbacks
            )
        );
    }

    [Fact]
    public async Task Each_model_of_a_provider_is_asked_for_by_its_own_name()
    {
        var small = await simulator.ModelAsync(new { words = 1 });
        var large = await simulator.ModelAsync(new { words = 2 });
        using var providers = new ProviderHost([
            .. ProviderHost.Entries([simulator.Address], _ => small),
            new("AIBACKEND_PROVIDERS__0__MODELS", large),
        ]);

        Assert.Equal("word1 word2", (await providers.StreamAsync(large).ReadAllAsync()).Text());
        Assert.Equal("word1", (await providers.StreamAsync().ReadAllAsync()).Text());
    }

    [Fact]
    public async Task A_redirect_is_not_followed_because_it_would_carry_the_key_along()
    {
        var moved = await simulator.ModelAsync(
            new
            {
                error_rate = 1,
                error_status = 307,
                error_location = new Uri(simulator.Address, "/v1/chat/completions").ToString(),
            }
        );
        using var providers = ProviderHost.For(moved, simulator.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal("provider_protocol_error", failure.Code);
        await simulator.EndedCallAsync(moved);
    }

    [Fact]
    public async Task A_model_nobody_has_is_the_callers_error_with_the_choices()
    {
        using var providers = Two("m-one", "m-two");

        var failure = await Failure.OfAsync(providers.StreamAsync("gpt-x"));

        Assert.Equal("unknown_model", failure.Code);
        Assert.Equal("No provider serves the model 'gpt-x'. Choose one of: default, m-one, m-two.", failure.Message);
    }

    private ProviderHost Two(string first, string second) => Of(first, second);

    private ProviderHost Three(string first, string second, string third) => Of(first, second, third);

    private ProviderHost Of(params string[] models) => new(Entries(models));

    private IEnumerable<KeyValuePair<string, string?>> Entries(params string[] models) =>
        ProviderHost.Entries(models.Select(_ => simulator.Address), index => models[index]);

    private Task<string> FailingAsync(int status) => simulator.ModelAsync(new { error_rate = 1, error_status = status });

    private Task<string> ModelAsync(string behaviour) => simulator.ModelAsync(System.Text.Json.Nodes.JsonNode.Parse(behaviour)!);

    /// <summary>An address where nobody listens, nor any server of another test that asks the system for a port.</summary>
    private static Uri Closed() => new($"http://{IPAddress.Loopback}:{FreePort.Next()}");
}
