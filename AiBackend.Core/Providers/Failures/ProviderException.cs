namespace AiBackend.Core.Providers.Failures;

/// <summary>A call to a provider that went wrong in a way the adapter understood. Its message never contains a provider's text.</summary>
internal abstract class ProviderException(string provider, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The provider's configured name.</summary>
    public string Provider => provider;
}

/// <summary>The provider answered with an error status, or with an error object inside its stream.</summary>
/// <param name="provider">The provider's configured name.</param>
/// <param name="status">The HTTP status, or the one that fits the error object.</param>
/// <param name="errorCode">The provider's <c>error.code</c>, else its <c>error.type</c>; null when there was none.</param>
/// <param name="retryAfter">When the provider wants to be asked again; null when it did not say.</param>
internal sealed class ProviderErrorException(string provider, int status, string? errorCode, TimeSpan? retryAfter)
    : ProviderException(provider, FormattableString.Invariant($"Provider '{provider}' answered with status {status}."))
{
    public int Status => status;

    public string? ErrorCode => errorCode;

    public TimeSpan? RetryAfter => retryAfter;

    /// <summary>How many calls a minute the provider says it allows; null when it did not say.</summary>
    public double? CallsPerMinute { get; init; }
}

/// <summary>The provider's bytes were not what its protocol promises.</summary>
internal sealed class ProviderProtocolException(string provider, string what, Exception? inner = null)
    : ProviderException(provider, $"Provider '{provider}' sent {what}.", inner)
{
    public string What => what;

    /// <summary>It is what the model wrote, which whoever writes into its prompt may bring about: the provider is well.</summary>
    public bool IsOfModel { get; init; }
}

/// <summary>The provider was too slow.</summary>
internal sealed class ProviderTimeoutException(string provider, ProviderTimeoutKind kind, TimeSpan limit, Exception? inner = null)
    : ProviderException(
        provider,
        FormattableString.Invariant($"Provider '{provider}' exceeded its {kind} limit of {limit.TotalSeconds:0.###} s."),
        inner
    )
{
    public ProviderTimeoutKind Kind => kind;

    public TimeSpan Limit => limit;
}

/// <summary>Which of a provider's time limits ended a call.</summary>
internal enum ProviderTimeoutKind
{
    /// <summary>No connection.</summary>
    Connect,

    /// <summary>No first token.</summary>
    FirstToken,

    /// <summary>Silence between two tokens.</summary>
    Idle,

    /// <summary>The whole call.</summary>
    Total,
}

/// <summary>Nobody serves the model that was asked for.</summary>
internal sealed class UnknownModelException(string model, IReadOnlyList<string> known)
    : Exception($"No provider serves the model '{model}'. Known: {string.Join(", ", known)}.")
{
    public string Model => model;

    public IReadOnlyList<string> Known => known;
}
