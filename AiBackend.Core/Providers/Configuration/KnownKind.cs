namespace AiBackend.Core.Providers.Configuration;

/// <summary>What is known of a protocol without any setting.</summary>
/// <param name="Kind">The protocol.</param>
/// <param name="Word">Its name in settings, and that of the provider which the variables describe.</param>
/// <param name="Variables">What the variables that describe one such provider begin with.</param>
/// <param name="BaseUrl">Where its inventor serves it.</param>
/// <param name="Model">Of its inventor's models a small and cheap one.</param>
internal sealed record KnownKind(ProviderKind Kind, string Word, string Variables, string BaseUrl, string Model)
{
    /// <summary>In the order in which they are asked when the variables of several are set; the first is the kind of what says none.</summary>
    public static readonly IReadOnlyList<KnownKind> All =
    [
        new(ProviderKind.OpenAi, "openai", "OPENAI", "https://api.openai.com/v1", "gpt-4.1-mini"),
        new(ProviderKind.Anthropic, "anthropic", "ANTHROPIC", "https://api.anthropic.com", "claude-haiku-5-5"),
    ];
}
