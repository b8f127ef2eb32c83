using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Peers;

/// <summary>The adapter against an upstream nobody here wrote: our simulator could share our misunderstandings.</summary>
public sealed class AimockTests(Aimock aimock, SimulatorServer simulator) : IClassFixture<Aimock>, IClassFixture<SimulatorServer>
{
    public static TheoryData<string> Kinds => Wire.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_answer_arrives_exactly_with_its_usage(string kind)
    {
        using var providers = ProviderHost.OfKind(kind, aimock.Address);

        var progress = await Ask(providers, "unicode").ReadAllAsync();

        Assert.Equal("Größe \"5\" \\ 世界 🎉\n```js\nlet a;\n```", progress.Text());
        Assert.True(progress.OfType<ChatProgress.Text>().Count() > 5);
        var finished = Assert.IsType<ChatProgress.Finished>(progress[^1]);
        Assert.Equal(("stop", "m", false), (finished.FinishReason, finished.ServedBy.ModelVersion, finished.ServedBy.Simulated));
        Assert.Equal((11, 7), (finished.Usage!.InputTokens, finished.Usage.OutputTokens));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_answer_that_reaches_its_limit_says_so(string kind)
    {
        using var providers = ProviderHost.OfKind(kind, aimock.Address);

        var progress = await Ask(providers, "cut short").ReadAllAsync();

        Assert.Equal("as long as allow", progress.Text());
        Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Thoughts_are_no_part_of_the_answer(string kind)
    {
        using var providers = ProviderHost.OfKind(kind, aimock.Address);

        Assert.Equal("The answer.", (await Ask(providers, "think").ReadAllAsync()).Text());
    }

    [Fact]
    public async Task The_request_is_one_an_OpenAI_server_understands()
    {
        using var providers = ProviderHost.For("gpt-y", aimock.Address);

        await Ask(providers, "unicode", new ChatOptions { Temperature = 0.25f, MaxOutputTokens = 77 }).ReadAllAsync();

        var body = (await aimock.RequestsAsync(TestRun.Cancel)).Last(request => request.GetProperty("model").GetString() == "gpt-y");
        Assert.True(body.GetProperty("stream").GetBoolean());
        Assert.True(body.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
        Assert.Equal(0.25, body.GetProperty("temperature").GetDouble());
        Assert.Equal(77, body.GetProperty("max_tokens").GetInt32());
        Assert.Equal("user", body.GetProperty("messages")[0].GetProperty("role").GetString());
    }

    [Theory]
    [InlineData("throttled", "rate_limited", "rate_limited")]
    [InlineData("refused", "provider_auth", "provider_auth")]
    [InlineData("unknown model", "provider_auth", "provider_model_not_found")]
    [InlineData("too long", "caller_error", "context_length_exceeded")]
    [InlineData("overloaded", "transient", "provider_unavailable")]
    [InlineData("overrun", "transient", "provider_unavailable")]
    [InlineData("garbled", "transient", "provider_protocol_error")]
    [InlineData("dropped", "transient", "provider_unavailable")]
    [InlineData("silent", "transient", "provider_timeout")]
    public async Task Each_refusal_has_its_class(string question, string @class, string code)
    {
        foreach (var kind in (string[])[Wire.OpenAi, Wire.Anthropic])
        {
            // Short where nothing comes; elsewhere a busy machine may take longer to refuse.
            (string, string)[] limits = question == "silent" ? [("FIRST_TOKEN_TIMEOUT_SECONDS", "0.5")] : [];
            using var providers = ProviderHost.OfKind(kind, aimock.Address, limits);

            var failure = await Failure.OfAsync(Ask(providers, question));

            Assert.Equal((kind, @class, code), (kind, failure.Class, failure.Code));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Retry_after_is_told(string kind)
    {
        using var providers = ProviderHost.OfKind(kind, aimock.Address);

        var failure = await Failure.OfAsync(Ask(providers, "throttled"));

        Assert.Equal(TimeSpan.FromSeconds(3), failure.RetryAfter);
    }

    [Theory]
    [InlineData(Wire.OpenAi, "truncated")]
    [InlineData(Wire.OpenAi, "disconnected")]
    [InlineData(Wire.Anthropic, "truncated")]
    [InlineData(Wire.Anthropic, "disconnected")]
    public async Task An_answer_that_breaks_off_is_never_taken_for_whole(string kind, string question)
    {
        using var providers = ProviderHost.OfKind(kind, aimock.Address);

        var (progress, failure) = await Failure.WithProgressAsync(Ask(providers, question));

        // Where the time to break is up first, nothing may have come yet.
        Assert.StartsWith(question == "truncated" ? "part-1 part-2" : "", progress.Text(), StringComparison.Ordinal);
        Assert.StartsWith(
            progress.Text(),
            string.Join(' ', Enumerable.Range(1, 199).Select(part => $"part-{part}")),
            StringComparison.Ordinal
        );
        Assert.DoesNotContain(progress, step => step is ChatProgress.Finished);
        Assert.Equal(
            ("transient", true),
            (failure.Class, failure.Code is ProviderFailureCodes.Unavailable or ProviderFailureCodes.ProtocolError)
        );
    }

    [Theory]
    [InlineData("throttled")]
    [InlineData("refused")]
    [InlineData("overloaded")]
    [InlineData("silent")]
    public async Task Another_provider_answers_when_it_cannot(string question)
    {
        var model = await simulator.ModelAsync(new { words = 2 });
        using var providers = Limited(aimock.Address, simulator.Address, model);

        var progress = await Ask(providers, question).ReadAllAsync();

        Assert.Equal("word1 word2", progress.Text());
        Assert.Equal(
            ("p1", 1),
            (Assert.IsType<ChatProgress.Finished>(progress[^1]).ServedBy.Provider, progress.OfType<ChatProgress.FailedOver>().Count())
        );
    }

    [Fact]
    public async Task Anthropic_answers_when_OpenAI_cannot_and_the_other_way_round()
    {
        foreach (var (first, second) in ((string, string)[])[(Wire.OpenAi, Wire.Anthropic), (Wire.Anthropic, Wire.OpenAi)])
        {
            using var providers = new ProviderHost([
                .. ProviderHost.Entries([aimock.Address, aimock.Address], index => index == 0 ? "down" : "up"),
                new("AIBACKEND_PROVIDERS__0__KIND", first),
                new("AIBACKEND_PROVIDERS__1__KIND", second),
            ]);

            var progress = await Ask(providers, "depends").ReadAllAsync();

            Assert.Equal("Here I am.", progress.Text());
            var served = Assert.IsType<ChatProgress.Finished>(progress[^1]).ServedBy;
            Assert.Equal(("p1", "up", 1), (served.Provider, served.ModelVersion, served.Fallbacks));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Cancelling_in_the_middle_is_prompt(string kind)
    {
        using var providers = ProviderHost.OfKind(kind, aimock.Address);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        IReadOnlyList<ChatMessage> question = [new(ChatRole.User, "slow")];

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var step in providers.Chat.StreamAsync("default", question, null, cancel.Token))
            {
                if (step is ChatProgress.Text)
                {
                    await cancel.CancelAsync();
                }
            }
        });
    }

    private static IAsyncEnumerable<ChatProgress> Ask(ProviderHost providers, string question, ChatOptions? options = null) =>
        providers.Chat.StreamAsync("default", [new ChatMessage(ChatRole.User, question)], options, TestRun.Cancel);

    private static ProviderHost Limited(Uri address, Uri? second = null, string model = "gpt-x") =>
        new([
            .. ProviderHost.Entries(second is null ? [address] : [address, second], _ => model),
            // Of the first alone: the second answers, however busy the machine is.
            new("AIBACKEND_PROVIDERS__0__FIRST_TOKEN_TIMEOUT_SECONDS", "0.5"),
        ]);
}
