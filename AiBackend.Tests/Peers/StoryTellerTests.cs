using AiBackend.Core.Providers;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Providers;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Peers;

/// <summary>The OpenAI protocol with a model that really writes: no script says what comes, how much it is, and where it ends.</summary>
public sealed class StoryTellerTests(StoryTeller teller) : IClassFixture<StoryTeller>
{
    private static readonly ChatOptions Always = new() { Temperature = 0 };
    private static readonly string[] Beginnings = ["Once upon a time", "One day, a cat", "Lily and Tom", "The end."];

    [Fact]
    public async Task A_story_comes_token_by_token_as_far_as_it_may_and_is_counted()
    {
        using var providers = await ProvidersAsync();

        var progress = await TellAsync(providers, "Once upon a time", new ChatOptions { Temperature = 0, MaxOutputTokens = 40 });

        Assert.StartsWith(", there was a little", progress.Text(), StringComparison.Ordinal);
        Assert.InRange(progress.OfType<ChatProgress.Text>().Count(), 30, 40);
        var finished = Assert.IsType<ChatProgress.Finished>(progress[^1]);
        Assert.Equal(("length", "stories260K"), (finished.FinishReason, finished.ServedBy.ModelVersion));
        Assert.Equal((5, 40), (finished.Usage!.InputTokens, finished.Usage.OutputTokens));
    }

    [Fact]
    public async Task A_story_that_has_an_end_stops_there()
    {
        using var providers = await ProvidersAsync();
        var ends = new List<string?>();
        foreach (var beginning in Beginnings)
        {
            var finished = Assert.IsType<ChatProgress.Finished>((await TellAsync(providers, beginning, Always))[^1]);
            var isFull = finished.Usage!.InputTokens + finished.Usage.OutputTokens == StoryTeller.Context;
            Assert.Equal(isFull ? "length" : "stop", finished.FinishReason);
            ends.Add(finished.FinishReason);
        }

        Assert.Contains("stop", ends);
    }

    [Fact]
    public async Task A_story_that_fills_the_context_is_cut_off_and_says_so()
    {
        using var providers = await ProvidersAsync();
        var longAgo = string.Join(' ', Enumerable.Repeat("Once upon a time there was a little girl.", 35));

        var progress = await TellAsync(providers, longAgo, Always);

        var finished = Assert.IsType<ChatProgress.Finished>(progress[^1]);
        Assert.Equal("length", finished.FinishReason);
        Assert.Equal(StoryTeller.Context, finished.Usage!.InputTokens + finished.Usage.OutputTokens);
    }

    [Fact]
    public async Task What_the_model_cannot_read_is_the_callers_error()
    {
        using var providers = await ProvidersAsync();

        var failure = await Failure.OfAsync(Ask(providers, string.Concat(Enumerable.Repeat("Once upon a time. ", 400)), Always));

        Assert.Equal(("caller_error", "context_length_exceeded"), (failure.Class, failure.Code));
    }

    [Fact]
    public async Task Stories_told_at_once_are_those_told_alone()
    {
        using var providers = await ProvidersAsync();
        var alone = new List<string>();
        foreach (var beginning in Beginnings)
        {
            alone.Add((await TellAsync(providers, beginning, Always)).Text());
        }

        var together = await Task.WhenAll(Beginnings.Select(beginning => TellAsync(providers, beginning, Always)));

        Assert.Equal(alone, together.Select(story => story.Text()));
        Assert.Equal(Beginnings.Length, alone.Distinct().Count());
    }

    private static Task<List<ChatProgress>> TellAsync(ProviderHost providers, string beginning, ChatOptions options) =>
        Ask(providers, beginning, options).ReadAllAsync();

    private static IAsyncEnumerable<ChatProgress> Ask(ProviderHost providers, string beginning, ChatOptions options) =>
        providers.Chat.StreamAsync("default", [new ChatMessage(ChatRole.User, beginning)], options, TestRun.Cancel);

    private async Task<ProviderHost> ProvidersAsync() => ProviderHost.For("stories260K", await teller.AddressAsync());
}
