using AiBackend.Core.Providers;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Providers;

/// <summary>An answer arrives whole, in order, and with what the provider said about it.</summary>
public sealed class StreamedAnswerTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task The_text_is_exactly_what_the_provider_wrote_and_ends_with_who_and_how_much()
    {
        const string Script = "Größe: \"5\" \\ 世界 🎉\n\n```js\nlet a = `b`;\n``` end";
        var model = await simulator.ModelAsync(new { text = Script });
        using var providers = ProviderHost.For(model, simulator.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(Script, progress.Text());
        Assert.Equal(new ChatProgress.CallStarted("p0", model, Simulated: false), progress[0]);
        var finished = Assert.IsType<ChatProgress.Finished>(progress[^1]);
        Assert.Equal("stop", finished.FinishReason);
        Assert.Equal(
            ("p0", model, model, 0),
            (finished.ServedBy.Provider, finished.ServedBy.Model, finished.ServedBy.ModelVersion, finished.ServedBy.Fallbacks)
        );
        // Nobody configured it as a simulator; the answer itself said so.
        Assert.True(finished.ServedBy.Simulated);
        Assert.True(finished.Usage is { InputTokens: > 0, OutputTokens: > 5, CostUsd: null });
    }

    [Fact]
    public async Task Options_and_key_reach_the_provider()
    {
        var model = await simulator.ModelAsync(new { words = 5 });
        using var providers = ProviderHost.For(model, simulator.Address);

        await providers.StreamAsync(options: new ChatOptions { Temperature = 0.5f, MaxOutputTokens = 3 }).ReadAllAsync();

        var call = await simulator.EndedCallAsync(model);
        Assert.Equal(0.5, call.GetProperty("temperature").GetDouble());
        Assert.Equal(3, call.GetProperty("max_tokens").GetInt32());
        Assert.True(call.GetProperty("authorized").GetBoolean());
        Assert.Equal("text/event-stream", call.GetProperty("accept").GetString());
        Assert.Equal("Why is the sky blue?", call.GetProperty("messages")[0].GetProperty("content").GetString());
    }

    [Fact]
    public async Task An_answer_cut_by_its_length_says_so()
    {
        var model = await simulator.ModelAsync(new { words = 50 });
        using var providers = ProviderHost.For(model, simulator.Address);

        var progress = await providers.StreamAsync(options: new ChatOptions { MaxOutputTokens = 3 }).ReadAllAsync();

        Assert.Equal("word1 word2 word3 ", progress.Text());
        Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
    }
}
