using System.ClientModel;
using System.ClientModel.Primitives;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiBackend.Core.Faults;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>A provider that speaks OpenAI's chat completions, as an <see cref="IChatClient"/> over the official SDK.</summary>
/// <remarks>
/// Uses the SDK's protocol method and reads the stream itself: a token then costs a fraction of what the SDK's typed
/// stream costs, memory is bounded whatever the provider sends, and what is wrong with a stream can be told apart.
/// Every call is streamed, also when the whole answer is asked for: so every time limit means the same.
/// </remarks>
internal sealed class OpenAiChatClient : IChatClient
{
    private readonly ProviderOptions _provider;
    private readonly OpenAiTransport _transport;
    private readonly string _maxTokensMember;
    private readonly ChatClientMetadata _metadata;

    public OpenAiChatClient(ProviderOptions provider)
    {
        _provider = provider;
        _transport = new OpenAiTransport(provider);
        _maxTokensMember = IsOpenAi(provider.BaseUrl) ? "max_completion_tokens" : "max_tokens";
        _metadata = new ChatClientMetadata(provider.Name, provider.BaseUrl, provider.Model);
    }

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
        using var response = await SendAsync(messages, options, cancellationToken);
        FaultPoints.Hit(FaultPoint.K9, options?.ModelId);
        await using var content = Content(response);
        using var events = new SseReader(content);
        var chunk = new ChatChunk();
        var length = new AnswerLength(options?.MaxOutputTokens);
        var done = false;

        while (!done && await NextAsync(events, cancellationToken))
        {
            done = Read(events, chunk);
            if (chunk.Text.Length > 0)
            {
                // The version with every piece: nobody knows which one is the last before the call is cut off.
                yield return new ChatResponseUpdate(ChatRole.Assistant, chunk.Text) { ModelId = chunk.ModelVersion };
                if (length.IsExceededBy(chunk.Text))
                {
                    // The provider ignores the limit; what was agreed has been delivered.
                    yield return Finish(chunk, ChatFinishReason.Length);
                    yield break;
                }
            }
            else if (chunk.IsThinking)
            {
                yield return new ChatResponseUpdate();
            }
        }

        if (chunk.FinishReason is null && (!done || length.IsZero))
        {
            throw new ProviderProtocolException(_provider.Name, chunk.IsUsed ? "an answer that ends before its end" : "no answer at all");
        }

        if (chunk.TakeRest() is { Length: > 0 } rest)
        {
            yield return new ChatResponseUpdate(ChatRole.Assistant, rest);
        }

        yield return Finish(chunk, chunk.FinishReason is { } reason ? new ChatFinishReason(reason) : null);
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? _metadata
        : serviceType.IsInstanceOfType(this) ? this
        : null;

    public void Dispose() => _transport.Dispose();

    private async Task<PipelineResponse> SendAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options,
        CancellationToken cancellationToken
    )
    {
        using var body = BinaryContent.Create(
            ChatRequestBody.Write(options?.ModelId ?? _provider.Model, _maxTokensMember, messages, options)
        );
        var request = new RequestOptions
        {
            BufferResponse = false,
            CancellationToken = cancellationToken,
            // Error bodies are read here, where their size is bounded.
            ErrorOptions = ClientErrorBehaviors.NoThrow,
        };

        var result = await ConnectAsync(body, request, cancellationToken);
        var response = result.GetRawResponse();
        if (response.Status == 200)
        {
            return response;
        }

        using (response)
        {
            throw await OpenAiErrors.ReadAsync(_provider.Name, response, cancellationToken);
        }
    }

    private async Task<ClientResult> ConnectAsync(BinaryContent body, RequestOptions request, CancellationToken cancellationToken)
    {
        try
        {
            return await _transport.Client.CompleteChatAsync(body, request);
        }
        catch (OperationCanceledException late) when (!cancellationToken.IsCancellationRequested)
        {
            // Only the handler's connect limit cancels on its own.
            throw new ProviderTimeoutException(_provider.Name, ProviderTimeoutKind.Connect, _provider.Timeouts.Connect, late);
        }
    }

    /// <summary>The bytes of the answer, unpacked if the provider packed them unasked.</summary>
    /// <remarks>What they call themselves does not matter: some servers send events as JSON, some proxies send pages as events.</remarks>
    private Stream Content(PipelineResponse response)
    {
        var content = response.ContentStream ?? Stream.Null;
        return Header(response, "Content-Encoding")?.ToLowerInvariant() switch
        {
            null or "" or "identity" => content,
            "gzip" => new GZipStream(content, CompressionMode.Decompress),
            "br" => new BrotliStream(content, CompressionMode.Decompress),
            _ => throw new ProviderProtocolException(_provider.Name, "an encoding that was not asked for"),
        };
    }

    private async ValueTask<bool> NextAsync(SseReader events, CancellationToken cancellationToken)
    {
        try
        {
            return await events.ReadAsync(cancellationToken);
        }
        catch (Exception problem) when (problem is SseLimitException or InvalidDataException)
        {
            throw new ProviderProtocolException(
                _provider.Name,
                problem is SseLimitException ? "an endless line" : "a damaged encoding",
                problem
            );
        }
    }

    /// <summary>Reads one event into <paramref name="chunk"/>.</summary>
    /// <returns>True when it was the last.</returns>
    private bool Read(SseReader events, ChatChunk chunk)
    {
        var data = events.Data;
        if (data.TrimEnd((byte)' ').SequenceEqual("[DONE]"u8))
        {
            chunk.Clear();
            return true;
        }

        try
        {
            chunk.Read(data);
        }
        catch (JsonException problem) when (!events.IsError)
        {
            throw new ProviderProtocolException(_provider.Name, "an event that is no chat completion chunk", problem);
        }
        catch (JsonException)
        {
            // An error event need not be JSON to be an error.
        }

        if (chunk.Error is { } error)
        {
            throw new ProviderErrorException(_provider.Name, error.Status, error.Word, retryAfter: null);
        }

        return events.IsError ? throw new ProviderErrorException(_provider.Name, 500, null, retryAfter: null) : false;
    }

    private static ChatResponseUpdate Finish(ChatChunk chunk, ChatFinishReason? reason)
    {
        var update = new ChatResponseUpdate { FinishReason = reason, ModelId = chunk.ModelVersion };
        if (chunk.Usage is { } usage)
        {
            update.Contents =
            [
                new UsageContent(
                    new UsageDetails
                    {
                        InputTokenCount = usage.Input,
                        CachedInputTokenCount = usage.Cached,
                        OutputTokenCount = usage.Output,
                        TotalTokenCount = usage.Input + usage.Output,
                    }
                ),
            ];
        }

        if (chunk.IsSimulated)
        {
            update.AdditionalProperties = new AdditionalPropertiesDictionary { [Simulated] = true };
        }

        return update;
    }

    /// <summary>Set on the last update when the provider itself says that it is a simulation.</summary>
    internal const string Simulated = "aibackend.simulated";

    private static string? Header(PipelineResponse response, string name) =>
        response.Headers.TryGetValue(name, out var value) ? value : null;

    private static bool IsOpenAi(Uri baseUrl) =>
        baseUrl.Host.EndsWith(".openai.com", StringComparison.OrdinalIgnoreCase)
        || baseUrl.Host.EndsWith(".openai.azure.com", StringComparison.OrdinalIgnoreCase);
}
