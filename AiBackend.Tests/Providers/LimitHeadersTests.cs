using AiBackend.Core.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>What providers say of their limits in the head of an answer.</summary>
public sealed class LimitHeadersTests
{
    [Theory]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 11; x-ratelimit-reset-requests: 1s", null, null)]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 10; x-ratelimit-reset-requests: 6m0s", null, 100.0)]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 0; x-ratelimit-reset-requests: 20ms", 0.02, 100.0)]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 0; x-ratelimit-reset-requests: 1.5s", 1.5, 100.0)]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 0; x-ratelimit-reset-requests: 1h2m3s", 60.0, 100.0)]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 0; x-ratelimit-reset-requests: 12", 12.0, 100.0)]
    [InlineData("x-ratelimit-limit-requests: 100; x-ratelimit-remaining-requests: 0; x-ratelimit-reset-requests: soon", null, 100.0)]
    [InlineData("x-ratelimit-limit-tokens: 1000; x-ratelimit-remaining-tokens: 5", null, null, true)]
    [InlineData("x-ratelimit-remaining-requests: 0", null, null)]
    [InlineData("x-ratelimit-limit-requests: 0; x-ratelimit-remaining-requests: 0", null, null)]
    [InlineData("x-ratelimit-limit-requests: many; x-ratelimit-remaining-requests: -1", null, null)]
    [InlineData(
        "anthropic-ratelimit-requests-limit: 50; anthropic-ratelimit-requests-remaining: 0; anthropic-ratelimit-requests-reset: 2026-11-26T10:00:07Z; date: Thu, 26 Nov 2026 10:00:00 GMT",
        7.0,
        50.0
    )]
    [InlineData(
        "anthropic-ratelimit-requests-limit: 50; anthropic-ratelimit-requests-remaining: 40; anthropic-ratelimit-input-tokens-limit: 9; anthropic-ratelimit-input-tokens-remaining: 0; anthropic-ratelimit-input-tokens-reset: 2026-11-26T10:00:09Z; date: Thu, 26 Nov 2026 10:00:00 GMT",
        9.0,
        50.0
    )]
    [InlineData("", null, null)]
    public void Little_is_left_when_a_tenth_or_less_is(string headers, double? after, double? perMinute, bool isScarce = false)
    {
        var all = headers
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(header => header.Split(": ", 2))
            .ToDictionary(parts => parts[0], parts => parts[1], StringComparer.OrdinalIgnoreCase);

        var read = LimitHeaders.Read(name => all.GetValueOrDefault(name));

        Assert.Equal(isScarce || perMinute is not null, read is not null);
        Assert.Equal((after, perMinute), (read?.After?.TotalSeconds, read?.PerMinute));
    }
}
