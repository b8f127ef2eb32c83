namespace AiBackend.Core.Providers.Configuration;

/// <summary>What a provider allows each of its models. Null is no limit; with none at all, calls are not counted.</summary>
public sealed record ProviderLimits
{
    /// <summary>A provider that allows everything.</summary>
    public static ProviderLimits None { get; } = new();

    /// <summary>Calls in any 60 s.</summary>
    public long? RequestsPerMinute { get; init; }

    /// <summary>Tokens of prompts in any 60 s.</summary>
    public long? InputTokensPerMinute { get; init; }

    /// <summary>Tokens of answers in any 60 s.</summary>
    public long? OutputTokensPerMinute { get; init; }

    /// <summary>Tokens of both in any 60 s, as OpenAI counts.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Calls at the same time.</summary>
    public long? ConcurrentCalls { get; init; }

    /// <summary>Whether there is any.</summary>
    public bool Any => this != None;

    /// <summary>Whether anything is counted over a minute.</summary>
    public bool AnyPerMinute => this != None with { ConcurrentCalls = ConcurrentCalls };

    /// <summary>The first that is counted over a minute, as those say who wait for it; null when none is.</summary>
    internal string? FirstPerMinute =>
        RequestsPerMinute is not null ? "requests_per_minute"
        : InputTokensPerMinute is not null ? "input_tokens_per_minute"
        : OutputTokensPerMinute is not null ? "output_tokens_per_minute"
        : TokensPerMinute is not null ? "tokens_per_minute"
        : null;
}
