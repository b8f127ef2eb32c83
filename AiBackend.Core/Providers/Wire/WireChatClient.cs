using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiBackend.Core.Faults;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Wire;

/// <summary>A provider as an <see cref="IChatClient"/>: an official SDK sends the request, and the stream of events is read here.</summary>
/// <remarks>
/// So a token costs a fraction of what a typed stream costs, memory is bounded whatever the provider sends, what is wrong with
/// a stream can be told apart, and all protocols behave alike. Every call is streamed, also when the whole answer is asked for:
/// so every time limit means the same.
/// </remarks>
internal abstract class WireChatClient(ProviderOptions provider) : IChatClient
{
    /// <summary>Set on the last update when the provider itself says that it is a simulation.</summary>
    internal const string Simulated = "aibackend.simulated";

    /// <summary>Set on the last update when the provider went on beyond what it was told, and was cut off.</summary>
    internal const string Overran = "aibackend.overran";

    /// <summary>Set on the last update when the provider reported a usage that cannot be true.</summary>
    internal const string Disputed = "aibackend.usage_disputed";

    private readonly ChatClientMetadata _metadata = new(provider.Name, provider.BaseUrl, provider.Model);

    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default
    ) => GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default
    )
    {
        CallName.Set(options?.AdditionalProperties);
        var answer = await SendAsync(options?.ModelId ?? provider.Model, messages, options, cancellationToken);
        using var response = answer.Response;
        if (CallName.Caller is { } caller && LimitHeaders.Read(answer.Header) is { } scarce)
        {
            caller.Note(scarce);
        }

        FaultPoints.Hit(FaultPoint.K9, options?.ModelId);
        await using var content = Unpacked(answer);
        using var events = new SseReader(content);
        var said = NewEvent();
        var length = new AnswerLength(MaxTokens(options));

        while (!said.IsEnd && await NextAsync(events, cancellationToken))
        {
            Read(events, said);
            if (said.Text.Length > 0)
            {
                // The version with every piece: nobody knows which one is the last before the call is cut off.
                yield return new ChatResponseUpdate(ChatRole.Assistant, said.Text) { ModelId = said.ModelVersion };
                if (length.IsExceededBy(said.Text))
                {
                    // The provider ignores the limit; what was agreed has been delivered.
                    yield return Finish(said, ChatFinishReason.Length, Overran);
                    yield break;
                }
            }
            else if (said.IsThinking)
            {
                yield return new ChatResponseUpdate();
            }
        }

        if (said.FinishReason is null && (!said.IsEnd || (length.IsZero && said.ToolCalls.Count == 0)))
        {
            throw new ProviderProtocolException(provider.Name, said.IsUsed ? "an answer that ends before its end" : "no answer at all");
        }

        if (said.TakeRest() is { Length: > 0 } rest)
        {
            yield return new ChatResponseUpdate(ChatRole.Assistant, rest);
        }

        if (said.ToolCalls.ToContents(isCut: said.FinishReason is "length" or "content_filter") is { Count: > 0 } calls)
        {
            if (ToolCallParts.FaultOf(calls, options) is { } fault)
            {
                throw new ProviderProtocolException(provider.Name, fault) { IsOfModel = true };
            }

            yield return new ChatResponseUpdate(ChatRole.Assistant, calls) { ModelId = said.ModelVersion };
        }

        yield return Finish(said, said.FinishReason is { } reason ? new ChatFinishReason(reason) : null);
    }

    public virtual object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? _metadata
        : serviceType.IsInstanceOfType(this) ? this
        : null;

    public abstract void Dispose();

    /// <summary>For one stream.</summary>
    protected abstract WireEvent NewEvent();

    /// <summary>Tokens the provider is told to write at most; null when it is told no limit.</summary>
    protected virtual int? MaxTokens(ChatOptions? options) => options?.MaxOutputTokens;

    /// <summary>Posts the request and waits for the head of its answer; a refusal is an exception, see <see cref="RefusalHandler"/>.</summary>
    protected abstract Task<WireAnswer> SendAsync(
        string model,
        IEnumerable<ChatMessage> messages,
        ChatOptions? options,
        CancellationToken cancellationToken
    );

    /// <summary>The bytes of the answer, unpacked if the provider packed them unasked.</summary>
    /// <remarks>What they call themselves does not matter: some servers send events as JSON, some proxies send pages as events.</remarks>
    private Stream Unpacked(WireAnswer answer) =>
        answer.Encoding?.ToLowerInvariant() switch
        {
            null or "" or "identity" => answer.Content,
            "gzip" => new GZipStream(answer.Content, CompressionMode.Decompress),
            "br" => new BrotliStream(answer.Content, CompressionMode.Decompress),
            _ => throw new ProviderProtocolException(provider.Name, "an encoding that was not asked for"),
        };

    private async ValueTask<bool> NextAsync(SseReader events, CancellationToken cancellationToken)
    {
        try
        {
            return await events.ReadAsync(cancellationToken);
        }
        catch (Exception problem) when (problem is SseLimitException or InvalidDataException)
        {
            throw new ProviderProtocolException(
                provider.Name,
                problem is SseLimitException ? "an endless line" : "a damaged encoding",
                problem
            );
        }
    }

    /// <summary>Reads one event.</summary>
    private void Read(SseReader events, WireEvent said)
    {
        try
        {
            said.Read(events.Data);
        }
        catch (JsonException problem) when (!events.IsError)
        {
            throw new ProviderProtocolException(provider.Name, "an event that is none of its protocol", problem);
        }
        catch (JsonException)
        {
            // An error event need not be JSON to be an error.
        }

        if (said.Error is { } error)
        {
            throw new ProviderErrorException(provider.Name, error.Status, error.Word, retryAfter: null);
        }

        if (events.IsError)
        {
            throw new ProviderErrorException(provider.Name, 500, null, retryAfter: null);
        }
    }

    private static ChatResponseUpdate Finish(WireEvent said, ChatFinishReason? reason, string? mark = null)
    {
        var update = new ChatResponseUpdate { FinishReason = reason, ModelId = said.ModelVersion };
        if (said.Usage is { } usage)
        {
            update.Contents =
            [
                new UsageContent(
                    new UsageDetails
                    {
                        InputTokenCount = usage.Input,
                        CachedInputTokenCount = usage.Cached,
                        OutputTokenCount = usage.Output,
                        ReasoningTokenCount = usage.Reasoning,
                        TotalTokenCount = usage.Input + usage.Output,
                    }
                ),
            ];
        }

        Mark(said.IsSimulated ? Simulated : null);
        Mark(said.IsUsageDisputed ? Disputed : null);
        Mark(mark);

        return update;

        void Mark(string? with)
        {
            if (with is not null)
            {
                (update.AdditionalProperties ??= [])[with] = true;
            }
        }
    }
}
