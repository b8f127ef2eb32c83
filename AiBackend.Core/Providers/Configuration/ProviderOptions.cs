namespace AiBackend.Core.Providers.Configuration;

/// <summary>One provider: a server that speaks a known protocol, and the models to use there. Not a record, so that nothing prints its key.</summary>
public sealed class ProviderOptions
{
    /// <summary>The protocol it speaks.</summary>
    public ProviderKind Kind { get; init; }

    /// <summary>Its name in <c>served_by</c>, traces and metrics.</summary>
    public required string Name { get; init; }

    /// <summary>Where its API begins, for example <c>https://api.openai.com/v1</c> or <c>https://api.anthropic.com</c>.</summary>
    public required Uri BaseUrl { get; init; }

    /// <summary>Sent as bearer token; null for servers that want none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The model it contributes to the route <c>default</c>.</summary>
    public required string Model { get; init; }

    /// <summary>Every model it may be asked for by name; <see cref="Model"/> is one of them.</summary>
    public required IReadOnlyList<string> Models { get; init; }

    /// <summary>True when no real model is behind it. It then also serves every name that begins with <c>sim</c>.</summary>
    public bool Simulated { get; init; }

    /// <summary>How long its calls may take.</summary>
    public ProviderTimeouts Timeouts { get; init; } = new();

    /// <summary>What it allows each of its models.</summary>
    public ProviderLimits Limits { get; init; } = ProviderLimits.None;

    /// <summary>What is done about an answer of its that breaks off.</summary>
    public ProviderContinuity Continuity { get; init; }

    /// <summary>Whether it may be asked for <paramref name="model"/> by that name.</summary>
    public bool Serves(string model) =>
        Models.Contains(model, StringComparer.Ordinal) || (Simulated && model.StartsWith("sim", StringComparison.Ordinal));

    /// <summary>The same provider with another key and other time limits, where they are given.</summary>
    internal ProviderOptions With(string? apiKey, ProviderTimeouts? timeouts) =>
        apiKey is null && timeouts is null
            ? this
            : new()
            {
                Kind = Kind,
                Name = Name,
                BaseUrl = BaseUrl,
                ApiKey = apiKey ?? ApiKey,
                Model = Model,
                Models = Models,
                Simulated = Simulated,
                Timeouts = timeouts ?? Timeouts,
                Limits = Limits,
                Continuity = Continuity,
            };
}

/// <summary>The protocol a provider speaks.</summary>
public enum ProviderKind
{
    /// <summary>OpenAI's chat completions, as many servers speak them.</summary>
    OpenAi,

    /// <summary>Anthropic's messages.</summary>
    Anthropic,
}

/// <summary>What is done about an answer that breaks off after text.</summary>
public enum ProviderContinuity
{
    /// <summary>Another call begins anew, and readers are told that the text so far no longer counts.</summary>
    Restart,

    /// <summary>Another call is given the text so far as the beginning of its answer, and readers are told that it goes on from there.</summary>
    Prefill,
}

/// <summary>How long a provider call may take. Each limit ends the call with <c>provider_timeout</c>.</summary>
public sealed record ProviderTimeouts
{
    /// <summary>Until there is a connection. Default 5 s.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From the start of the call to the first token. Default 60 s: large models think long.</summary>
    public TimeSpan FirstToken { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Silence between two tokens. Default 30 s.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The whole call. Default 10 min.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromMinutes(10);
}
