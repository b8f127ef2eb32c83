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
    [Fact]
    public async Task An_answer_arrives_exactly_with_its_usage()
    {
        using var providers = ProviderHost.For("gpt-x", aimock.Address);

        var progress = await Ask(providers, "unicode").ReadAllAsync();

        Assert.Equal("Größe \"5\" \\ 世界 🎉\n```js\nlet a;\n```", progress.Text());
        Assert.True(progress.OfType<ChatProgress.Text>().Count() > 5);
        var finished = Assert.IsType<ChatProgress.Finished>(progress[^1]);
        Assert.Equal(("stop", "gpt-x", false), (finished.FinishReason, finished.ServedBy.Model, finished.ServedBy.Simulated));
        Assert.True(finished.Usage is { InputTokens: > 0, OutputTokens: > 0 });
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
    [InlineData("garbled", "transient", "provider_protocol_error")]
    [InlineData("dropped", "transient", "provider_unavailable")]
    [InlineData("silent", "transient", "provider_timeout")]
    public async Task Each_refusal_has_its_class(string question, string @class, string code)
    {
        using var providers = Limited(aimock.Address);

        var failure = await Failure.OfAsync(Ask(providers, question));

        Assert.Equal((@class, code), (failure.Class, failure.Code));
    }

    [Fact]
    public async Task Retry_after_is_told()
    {
        using var providers = ProviderHost.For("gpt-x", aimock.Address);

        var failure = await Failure.OfAsync(Ask(providers, "throttled"));

        Assert.Equal(TimeSpan.FromSeconds(3), failure.RetryAfter);
    }

    [Theory]
    [InlineData("truncated")]
    [InlineData("disconnected")]
    public async Task An_answer_that_breaks_off_is_never_taken_for_whole(string question)
    {
        using var providers = ProviderHost.For("gpt-x", aimock.Address);

        var (progress, failure) = await Failure.WithProgressAsync(Ask(providers, question));

        Assert.StartsWith("part-1 part-2", progress.Text());
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
    public async Task Cancelling_in_the_middle_is_prompt()
    {
        using var providers = ProviderHost.For("gpt-x", aimock.Address);
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
            new("AIBACKEND_PROVIDERS__DEFAULTS__FIRST_TOKEN_TIMEOUT_SECONDS", "0.5"),
        ]);
}
