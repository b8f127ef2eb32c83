using System.ClientModel;
using System.ClientModel.Primitives;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>A provider that speaks OpenAI's chat completions, over the protocol method of the official SDK.</summary>
internal sealed class OpenAiChatClient(ProviderOptions provider) : WireChatClient(provider)
{
    private readonly OpenAiTransport _transport = new(provider);
    private readonly bool _isOpenAi = IsOpenAi(provider.BaseUrl);

    public override void Dispose() => _transport.Dispose();

    /// <summary>Also gives what the provider has for embeddings, over the same connections.</summary>
    public override object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType == typeof(IEmbeddingGenerator<string, Embedding<float>>)
            ? _transport.Embeddings
            : base.GetService(serviceType, serviceKey);

    protected override WireEvent NewEvent() => new ChatChunk();

    protected override async Task<WireAnswer> SendAsync(
        string model,
        IEnumerable<ChatMessage> messages,
        ChatOptions? options,
        CancellationToken cancellationToken
    )
    {
        using var body = BinaryContent.Create(ChatRequestBody.Write(model, _isOpenAi, messages, options));
        var request = new RequestOptions { BufferResponse = false, CancellationToken = cancellationToken };
        var response = (await _transport.Client.CompleteChatAsync(body, request)).GetRawResponse();
        return new WireAnswer(
            response,
            response.ContentStream ?? Stream.Null,
            response.Headers.TryGetValue("Content-Encoding", out var encoding) ? encoding : null,
            name => response.Headers.TryGetValue(name, out var value) ? value : null
        );
    }

    private static bool IsOpenAi(Uri baseUrl) =>
        baseUrl.Host.EndsWith(".openai.com", StringComparison.OrdinalIgnoreCase)
        || baseUrl.Host.EndsWith(".openai.azure.com", StringComparison.OrdinalIgnoreCase);
}
