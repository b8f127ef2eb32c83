using System.Net.Sockets;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>F-48: the name of a provider leads nowhere.</summary>
public sealed class NameResolutionTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    /// <summary>A name that no resolver may ever know (RFC 2606).</summary>
    private static readonly Uri Nowhere = new("http://provider.invalid");

    /// <summary>Longer than a resolver asks others before it gives up.</summary>
    private static readonly KeyValuePair<string, string?> PatientConnect = new("AIBACKEND_PROVIDERS__0__CONNECT_TIMEOUT_SECONDS", "45");

    [Fact]
    public async Task F_48_a_name_that_is_not_found_is_an_outage_that_opens_the_breaker()
    {
        using var providers = new ProviderHost([.. ProviderHost.Entries([Nowhere], _ => "any"), PatientConnect]);

        for (var call = 0; call < 5; call++)
        {
            var failure = await Failure.OfAsync(providers.StreamAsync());
            Assert.Equal((ProviderFailureCodes.Unavailable, true), (failure.Code, failure.Retryable));
            Assert.Equal("The provider's host name could not be resolved.", failure.Message);
        }

        Assert.Equal(ProviderFailureCodes.CircuitOpen, (await Failure.OfAsync(providers.StreamAsync())).Code);
    }

    [Fact]
    public async Task F_48_another_provider_answers_meanwhile()
    {
        var good = await simulator.ModelAsync(new { words = 2 });
        using var providers = new ProviderHost([.. ProviderHost.Entries([Nowhere, simulator.Address], _ => good), PatientConnect]);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal("word1 word2", progress.Text());
        Assert.Equal(ProviderFailureCodes.Unavailable, Assert.Single(progress.OfType<ChatProgress.FailedOver>()).Failure.Code);
    }

    [Theory]
    [InlineData(SocketError.HostNotFound)]
    [InlineData(SocketError.NoData)]
    [InlineData(SocketError.TryAgain)]
    public void F_48_a_resolver_that_fails_or_knows_no_address_is_an_outage_too(SocketError error)
    {
        var failure = ProviderFailures.Classify(
            new HttpRequestException(HttpRequestError.NameResolutionError, null, new SocketException((int)error))
        );

        Assert.IsType<ProviderFailure.Transient>(failure);
        Assert.Equal(ProviderFailureCodes.Unavailable, failure.Code);
    }
}
