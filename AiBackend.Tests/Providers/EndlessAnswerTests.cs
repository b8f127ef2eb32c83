using System.Diagnostics.Metrics;
using AiBackend.Core.Providers;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.AI;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>F-27: a provider that does not stop where it was told to is cut off, and left alone when it does so again and again.</summary>
public sealed class EndlessAnswerTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private const int Enough = 5;
    private static readonly ChatOptions Short = new() { MaxOutputTokens = 10 };

    [Fact]
    public async Task F_27_an_endless_answer_is_cut_at_its_cap_and_opens_the_breaker()
    {
        var model = await EndlessAsync();
        using var providers = ProviderHost.For(model, simulator.Address);

        for (var call = 0; call < Enough; call++)
        {
            var progress = await providers.StreamAsync(options: Short).ReadAllAsync();

            Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
            Assert.InRange(progress.Text().Length, 10, (10 + 64) * 8 + 100);
        }

        Assert.Equal("provider_circuit_open", (await Failure.OfAsync(providers.StreamAsync(options: Short))).Code);
        await Eventually.TrueAsync(
            async token =>
                (await simulator.CallsAsync(model, token)).Count(call => call.GetProperty("outcome").GetString() == "client_aborted")
                == Enough,
            "every call was hung up on"
        );
    }

    [Fact]
    public async Task F_27_then_another_provider_answers()
    {
        var model = await EndlessAsync();
        var good = await simulator.ModelAsync(new { words = 2 });
        using var providers = new ProviderHost(
            ProviderHost.Entries([simulator.Address, simulator.Address], index => index == 0 ? model : good)
        );
        for (var call = 0; call < Enough; call++)
        {
            await providers.StreamAsync(options: Short).ReadAllAsync();
        }

        Assert.Equal("word1 word2", (await providers.StreamAsync(options: Short).ReadAllAsync()).Text());
    }

    [Fact]
    public async Task An_answer_that_ends_at_its_limit_says_nothing_against_its_provider()
    {
        var model = await simulator.ModelAsync(new { words = 50 });
        using var providers = ProviderHost.For(model, simulator.Address);

        for (var call = 0; call < 2 * Enough; call++)
        {
            var progress = await providers.StreamAsync(options: Short).ReadAllAsync();
            Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
        }
    }

    [Fact]
    public async Task F_27_the_other_protocol_is_cut_too()
    {
        var endless = Begun(Wire.Anthropic, [.. Enumerable.Repeat("endless words ", 5000)]);
        await using var provider = new RawProvider(RawReply.Silent(endless));
        using var providers = ProviderHost.OfKind(Wire.Anthropic, provider.Address);

        var progress = await providers.StreamAsync(options: Short).ReadAllAsync();

        Assert.Equal("length", Assert.IsType<ChatProgress.Finished>(progress[^1]).FinishReason);
        await Eventually.TrueAsync(_ => Task.FromResult(provider.Abandoned == 1), "the provider was hung up on");
    }

    [Fact]
    public async Task I_6_a_short_answer_that_is_billed_like_an_endless_one_opens_the_breaker_and_is_measured()
    {
        var model = await simulator.ModelAsync(new { words = 2, billed_tokens = 5_000 });
        using var providers = ProviderHost.For(model, simulator.Address);
        using var measured = new Measurements(providers.Services.GetRequiredService<IMeterFactory>(), "AiBackend.Providers");

        for (var call = 0; call < Enough; call++)
        {
            Assert.Equal("word1 word2", (await providers.StreamAsync(options: Short).ReadAllAsync()).Text());
        }

        Assert.Equal("provider_circuit_open", (await Failure.OfAsync(providers.StreamAsync(options: Short))).Code);
        var told = measured.Of("aibackend.provider.overbilled");
        Assert.Equal(Enough, told.Count);
        Assert.All(told, each => Assert.Equal(model, each.Tags["gen_ai.request.model"]));
    }

    private Task<string> EndlessAsync() => simulator.ModelAsync(new { output_tokens = int.MaxValue, ignore_max_tokens = true });
}
