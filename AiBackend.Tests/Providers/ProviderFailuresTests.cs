using System.ClientModel;
using System.Net.Sockets;
using System.Text.Json;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Providers;

/// <summary>Every way a call can throw has one meaning, and none of them tells secrets.</summary>
public sealed class ProviderFailuresTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    public static TheoryData<Exception, string, string> Exceptions =>
        new()
        {
            { new HttpRequestException(HttpRequestError.ConnectionError), "transient", "provider_unavailable" },
            { new HttpRequestException(HttpRequestError.NameResolutionError), "transient", "provider_unavailable" },
            { new HttpRequestException(HttpRequestError.SecureConnectionError), "transient", "provider_unavailable" },
            { new HttpRequestException(HttpRequestError.InvalidResponse), "transient", "provider_protocol_error" },
            { new HttpIOException(HttpRequestError.ResponseEnded), "transient", "provider_unavailable" },
            { new IOException("reset"), "transient", "provider_unavailable" },
            { new SocketException(), "transient", "provider_unavailable" },
            {
                new ClientResultException("x", null, new HttpRequestException(HttpRequestError.ConnectionError)),
                "transient",
                "provider_unavailable"
            },
            { new TaskCanceledException("x", new TimeoutException()), "transient", "provider_timeout" },
            { new TimeoutException(), "transient", "provider_timeout" },
            { new JsonException(), "transient", "provider_protocol_error" },
            { new ProviderErrorException("p", 408, null, null), "transient", "provider_timeout" },
            { new ProviderErrorException("p", 409, null, null), "transient", "provider_unavailable" },
            { new ProviderErrorException("p", 529, null, null), "transient", "provider_unavailable" },
            { new ProviderErrorException("p", 204, null, null), "transient", "provider_protocol_error" },
            { new ProviderErrorException("p", 429, null, null), "rate_limited", "rate_limited" },
            { new ProviderErrorException("p", 402, null, null), "provider_auth", "provider_quota_exhausted" },
            { new ProviderErrorException("p", 404, null, null), "provider_auth", "provider_model_not_found" },
            { new ProviderErrorException("p", 413, null, null), "caller_error", "context_length_exceeded" },
            { new ProviderErrorException("p", 418, null, null), "caller_error", "invalid_request" },
            { new InvalidOperationException("a bug"), "unknown", "provider_unknown_error" },
        };

    [Theory]
    [MemberData(nameof(Exceptions))]
    public void Each_exception_has_one_class_and_code(Exception exception, string @class, string code)
    {
        var failure = ProviderFailures.Classify(exception);

        Assert.Equal((@class, code), (failure.Class, failure.Code));
        Assert.Equal(@class is "transient" or "rate_limited" or "unknown", failure.Retryable);
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("0.25", 0.25)]
    [InlineData("86400", 3600)]
    public async Task Retry_after_is_told_and_bounded(string sent, double expected)
    {
        var model = await simulator.ModelAsync(
            new
            {
                error_rate = 1,
                error_status = 429,
                retry_after_s = sent,
            }
        );
        using var providers = ProviderHost.For(model, simulator.Address);

        var limited = Assert.IsType<ProviderFailure.RateLimited>(await Failure.OfAsync(providers.StreamAsync()));

        Assert.Equal(TimeSpan.FromSeconds(expected), limited.RetryAfter);
    }

    [Fact]
    public async Task A_server_error_may_say_when_to_come_back_too()
    {
        var model = await simulator.ModelAsync(
            new
            {
                error_rate = 1,
                error_status = 503,
                retry_after_s = 9,
            }
        );
        using var providers = ProviderHost.For(model, simulator.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal(("transient", TimeSpan.FromSeconds(9)), (failure.Class, failure.RetryAfter));
    }

    [Theory]
    [InlineData(401)]
    [InlineData(400)]
    [InlineData(500)]
    public async Task No_message_contains_the_key_or_the_providers_words(int status)
    {
        var model = await simulator.ModelAsync(
            new
            {
                error_rate = 1,
                error_status = status,
                error_code = "sk-leaked-by-the-provider",
            }
        );
        using var providers = ProviderHost.For(model, simulator.Address);

        var exception = await Record.ExceptionAsync(() => providers.StreamAsync().ReadAllAsync());

        var everything = exception + ProviderFailures.Classify(exception!).ToString();
        Assert.DoesNotContain("sk-", everything, StringComparison.Ordinal);
        Assert.DoesNotContain("simulated failure", everything, StringComparison.Ordinal);
    }
}
