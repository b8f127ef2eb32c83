using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Wire;
using Anthropic;
using Anthropic.Core;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Anthropic;

/// <summary>Anthropic, or a server that speaks its messages, over the official SDK.</summary>
/// <remarks>
/// The SDK builds and sends the request; the answer is read by <see cref="WireChatClient"/>. The SDK's own chat client would
/// take a stream that is cut between two events for a whole answer, and add the two counts of tokens that are one.
/// </remarks>
internal sealed class AnthropicChatClient(ProviderOptions provider) : WireChatClient(provider)
{
    /// <summary>The API has to be told a limit. This one is for jobs that name none: long answers fit, thinking included, and every current model takes it.</summary>
    public const int DefaultMaxTokens = 16_384;

    private readonly AnthropicClientWithRawResponse _client = new(
        new ClientOptions
        {
            HttpClient = ProviderHttp.Create(provider),
            BaseUrl = Root(provider.BaseUrl),
            // Never null: the SDK would look for a key of its own in the environment.
            ApiKey = provider.ApiKey ?? "none",
            MaxRetries = ProviderCatalog.TriesPerCall - 1,
            // Ours comes first.
            Timeout = provider.Timeouts.Total + TimeSpan.FromMinutes(1),
            // The span of the call is ours, with names that cover every provider.
            OpenTelemetry = false,
        }
    );

    public override void Dispose() => _client.Dispose();

    protected override WireEvent NewEvent() => new MessageEvent();

    protected override int? MaxTokens(ChatOptions? options) => options?.MaxOutputTokens ?? DefaultMaxTokens;

    protected override async Task<WireAnswer> SendAsync(
        string model,
        IEnumerable<ChatMessage> messages,
        ChatOptions? options,
        CancellationToken cancellationToken
    )
    {
        var request = MessageRequest.Of(model, messages, MaxTokens(options) ?? DefaultMaxTokens, options);
        var response = await _client.Messages.CreateStreaming(request, cancellationToken);
        var content = response.RawMessage.Content;
        return new WireAnswer(
            response,
            await content.ReadAsStreamAsync(cancellationToken),
            content.Headers.ContentEncoding.LastOrDefault(),
            name => response.RawMessage.Headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null
        );
    }

    /// <summary>Where the SDK begins its paths. Addresses of other providers end in /v1, so here it may be given as well.</summary>
    private static string Root(Uri address)
    {
        var text = address.AbsoluteUri.TrimEnd('/');
        return text.EndsWith("/v1", StringComparison.Ordinal) ? text[..^"/v1".Length] : text;
    }
}
