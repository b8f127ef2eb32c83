using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Providers;

/// <summary>What counts as the provider's silence, on a clock that moves only when told.</summary>
public sealed class StreamTimeoutsTests : IDisposable
{
    private static readonly ProviderTimeouts Limits = new()
    {
        FirstToken = TimeSpan.FromSeconds(60),
        Idle = TimeSpan.FromSeconds(30),
        Total = TimeSpan.FromMinutes(10),
    };

    private readonly FakeTime _clock = new();
    private readonly ScriptedChatClient _provider = new();
    private readonly StreamTimeouts _limited;

    public StreamTimeoutsTests() => _limited = new StreamTimeouts(_provider, "p", Limits, _clock);

    [Fact]
    public async Task The_first_token_has_its_own_longer_limit()
    {
        await using var updates = Open(TestRun.Cancel);
        var first = updates.MoveNextAsync().AsTask();

        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.False(first.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));

        await AssertTimeoutAsync(first, ProviderTimeoutKind.FirstToken);
    }

    [Fact]
    public async Task Each_token_starts_the_idle_limit_anew()
    {
        await using var updates = Open(TestRun.Cancel);
        for (var token = 0; token < 4; token++)
        {
            var next = updates.MoveNextAsync().AsTask();
            _clock.Advance(TimeSpan.FromSeconds(29));
            _provider.Say("token");
            Assert.True(await next);
        }

        var silence = updates.MoveNextAsync().AsTask();
        _clock.Advance(TimeSpan.FromSeconds(30));

        await AssertTimeoutAsync(silence, ProviderTimeoutKind.Idle);
    }

    [Fact]
    public async Task A_caller_that_is_busy_with_a_token_does_not_make_the_provider_silent()
    {
        await using var updates = Open(TestRun.Cancel);
        _provider.Say("one");
        Assert.True(await updates.MoveNextAsync());

        _clock.Advance(TimeSpan.FromMinutes(5));
        _provider.Say("two");

        Assert.True(await updates.MoveNextAsync());
        Assert.Equal("two", updates.Current.Text);
    }

    [Fact]
    public async Task The_total_limit_counts_a_busy_caller_too()
    {
        await using var updates = Open(TestRun.Cancel);
        _provider.Say("one");
        Assert.True(await updates.MoveNextAsync());

        _clock.Advance(TimeSpan.FromMinutes(10));

        await AssertTimeoutAsync(updates.MoveNextAsync().AsTask(), ProviderTimeoutKind.Total);
    }

    [Fact]
    public async Task Cancelling_is_cancelling_and_not_a_timeout()
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        await using var updates = Open(cancel.Token);
        var first = updates.MoveNextAsync().AsTask();

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
    }

    public void Dispose() => _limited.Dispose();

    private IAsyncEnumerator<ChatResponseUpdate> Open(CancellationToken cancellationToken) =>
        _limited
            .GetStreamingResponseAsync([new ChatMessage(ChatRole.User, "?")], null, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);

    private static async Task AssertTimeoutAsync(Task waiting, ProviderTimeoutKind kind)
    {
        var timeout = await Assert.ThrowsAsync<ProviderTimeoutException>(() => waiting);
        Assert.Equal(kind, timeout.Kind);
    }
}
