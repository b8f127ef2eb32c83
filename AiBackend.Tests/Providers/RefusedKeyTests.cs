using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Keys;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>A key that its provider does not take is used once, not by every call.</summary>
public sealed class RefusedKeyTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task F_28_after_one_refused_key_others_answer_and_nobody_asks_with_it_again()
    {
        var bad = await FailingAsync(401);
        var good = await simulator.ModelAsync(new { words = 2 });
        using var providers = Of(bad, good);

        var first = await providers.StreamAsync().ReadAllAsync();
        var second = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal("provider_auth", Assert.Single(first.OfType<ChatProgress.FailedOver>()).Failure.Code);
        Assert.Equal(["CallStarted", "Text", "Text", "Finished"], second.Select(step => step.GetType().Name));
        Assert.Single(await simulator.CallsAsync(bad, TestRun.Cancel));
        Assert.Single(providers.Services.GetRequiredService<RefusedKeys>().Unreported);
    }

    [Fact]
    public async Task F_28_with_nobody_else_to_ask_the_failure_says_so_and_is_not_repeated()
    {
        var bad = await FailingAsync(401);
        using var providers = Of(bad);

        await Failure.OfAsync(providers.StreamAsync());
        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Empty(progress);
        Assert.Equal((ProviderFailureCodes.Auth, "provider_auth", false), (failure.Code, failure.Class, failure.Retryable));
        Assert.Contains("Provider 'p0' has refused our key before", failure.Message, StringComparison.Ordinal);
        Assert.Single(await simulator.CallsAsync(bad, TestRun.Cancel));
    }

    [Theory]
    [InlineData(400)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(429)]
    public async Task F_28_any_other_refusal_leaves_the_key_alone(int status)
    {
        var bad = await FailingAsync(status);
        using var providers = Of(bad);

        await Failure.OfAsync(providers.StreamAsync());
        await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal(2, (await simulator.CallsAsync(bad, TestRun.Cancel)).Count);
        Assert.Empty(providers.Services.GetRequiredService<RefusedKeys>().Unreported);
    }

    [Fact]
    public async Task What_others_know_replaces_what_was_reported_and_keeps_what_was_not()
    {
        using var providers = Of(await FailingAsync(401));
        await Failure.OfAsync(providers.StreamAsync());
        var keys = providers.Services.GetRequiredService<RefusedKeys>();
        var deployment = providers.Catalog.Route("default")[0];

        keys.Replace([], []);
        Assert.True(keys.Contains(deployment));

        keys.Replace(keys.Unreported, []);
        Assert.False(keys.Contains(deployment));
        Assert.Empty(keys.Unreported);
    }

    private Task<string> FailingAsync(int status) => simulator.ModelAsync(new { error_rate = 1, error_status = status });

    private ProviderHost Of(params string[] models) =>
        new(ProviderHost.Entries(models.Select(_ => simulator.Address), index => models[index]));
}
