namespace AiBackend.Core.Providers.Failures;

/// <summary>A call was not made: it would have been a retry, and the provider fails so often that it gets no more of them now.</summary>
/// <param name="provider">The first such provider of the route.</param>
public sealed class RetryBudgetSpentException(string provider) : Exception($"The retry budget of provider '{provider}' is spent.")
{
    /// <summary>Its configured name.</summary>
    public string Provider { get; } = provider;
}
