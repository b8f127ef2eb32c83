using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Catalog;

/// <summary>Names of what not every model can, as deployments declare them. A deployment may declare others, which only routes ask for.</summary>
public static class ModelCapabilities
{
    /// <summary>Calling tools.</summary>
    public const string Tools = "tools";

    /// <summary>Answers in JSON, with or without a schema.</summary>
    public const string Json = "json";

    /// <summary>Looking at pictures.</summary>
    public const string Images = "images";

    /// <summary>Turning texts into vectors.</summary>
    public const string Embeddings = "embeddings";

    /// <summary>What a call uses.</summary>
    internal static IReadOnlyList<string> Of(IReadOnlyList<ChatMessage> messages, ChatOptions? options) =>
        messages.Any(message => message.Contents.Any(content => content is DataContent)) ? [.. Of(options), Images] : Of(options);

    /// <summary>What a call with these options uses.</summary>
    internal static IReadOnlyList<string> Of(ChatOptions? options) =>
        (options?.Tools is { Count: > 0 }, options?.ResponseFormat is ChatResponseFormatJson) switch
        {
            (true, true) => [Tools, Json],
            (true, false) => [Tools],
            (false, true) => [Json],
            _ => [],
        };
}
