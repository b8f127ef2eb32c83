using System.Runtime.CompilerServices;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>Ends a call that is too slow: to its first token, between two tokens, or as a whole.</summary>
/// <remarks>Time in which the caller is busy with a token does not count as the provider's silence, only towards the total.</remarks>
internal sealed class StreamTimeouts(IChatClient inner, string provider, ProviderTimeouts limits, TimeProvider clock)
    : DelegatingChatClient(inner)
{
    public override Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default
    ) => GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default
    )
    {
        using var watch = new StreamWatch(limits, clock, cancellationToken);
        await using var updates = base.GetStreamingResponseAsync(messages, options, watch.Token).GetAsyncEnumerator(watch.Token);

        while (await NextAsync(updates, watch, cancellationToken))
        {
            yield return updates.Current;
        }
    }

    private async ValueTask<bool> NextAsync(
        IAsyncEnumerator<ChatResponseUpdate> updates,
        StreamWatch watch,
        CancellationToken cancellationToken
    )
    {
        watch.BeginWait();
        try
        {
            return await updates.MoveNextAsync();
        }
        catch (Exception failure) when (watch.Expired is not null && !cancellationToken.IsCancellationRequested)
        {
            // Whatever the aborted connection threw, this is why it was aborted.
            var kind = watch.Expired.Value;
            throw new ProviderTimeoutException(provider, kind, watch.LimitOf(kind), failure);
        }
        finally
        {
            watch.EndWait();
        }
    }
}
