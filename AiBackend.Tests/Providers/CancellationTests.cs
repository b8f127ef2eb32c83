using AiBackend.Core.Providers;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Providers;

/// <summary>Nobody pays for an answer that nobody wants any more: the provider's own log proves that the call was aborted.</summary>
public sealed class CancellationTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private static readonly IReadOnlyList<ChatMessage> Question = [new(ChatRole.User, "?")];

    [Theory]
    [InlineData("before_headers")]
    [InlineData("before_first_token")]
    [InlineData("none")]
    public async Task Cancelling_aborts_the_call_and_is_never_failed_over(string hang)
    {
        var slow = await simulator.ModelAsync(
            new
            {
                hang,
                output_tokens = 100_000,
                interval_ms = 5,
            }
        );
        var other = await simulator.ModelAsync(new { words = 1 });
        using var providers = new ProviderHost(
            ProviderHost.Entries([simulator.Address, simulator.Address], index => index == 0 ? slow : other)
        );
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);

        var seen = new List<ChatProgress>();
        var reading = ReadAsync(providers.Chat.StreamAsync("default", Question, null, cancel.Token), seen);
        await Eventually.TrueAsync(async token => (await simulator.CallsAsync(slow, token)).Count == 1, "the call arrived");
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        await AssertAbortedAsync(slow);
        Assert.DoesNotContain(seen, step => step is ChatProgress.FailedOver);
        Assert.Empty(await simulator.CallsAsync(other, TestRun.Cancel));
    }

    [Fact]
    public async Task Leaving_the_enumeration_aborts_the_call()
    {
        var slow = await simulator.ModelAsync(new { output_tokens = 100_000, interval_ms = 20 });
        using var providers = ProviderHost.For(slow, simulator.Address);

        await foreach (var step in providers.StreamAsync().WithCancellation(TestRun.Cancel))
        {
            if (step is ChatProgress.Text)
            {
                break;
            }
        }

        // The connection must not be drained first: that is two seconds of text that somebody pays for.
        await Eventually.TrueAsync(
            async token => (await simulator.CallsAsync(slow, token)).Single().GetProperty("outcome").GetString() == "client_aborted",
            "the provider noticed",
            TimeSpan.FromSeconds(1.5)
        );
    }

    [Fact]
    public async Task F_27_A_provider_that_ignores_the_length_is_cut_and_the_answer_ends_as_too_long()
    {
        var endless = await simulator.ModelAsync(new { output_tokens = int.MaxValue, ignore_max_tokens = true });
        using var providers = ProviderHost.For(endless, simulator.Address);

        var progress = await providers.StreamAsync(options: new ChatOptions { MaxOutputTokens = 100 }).ReadAllAsync();

        Assert.InRange(progress.Text().Length, 100, 20_000);
        Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
        await AssertAbortedAsync(endless);
    }

    private async Task AssertAbortedAsync(string model)
    {
        var call = await simulator.EndedCallAsync(model);
        Assert.Equal("client_aborted", call.GetProperty("outcome").GetString());
    }

    private static async Task ReadAsync(IAsyncEnumerable<ChatProgress> progress, List<ChatProgress> seen)
    {
        await foreach (var step in progress.WithCancellation(TestRun.Cancel))
        {
            seen.Add(step);
        }
    }
}
