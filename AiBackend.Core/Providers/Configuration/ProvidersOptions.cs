namespace AiBackend.Core.Providers.Configuration;

/// <summary>The configured providers, in order of preference. Read by <see cref="ProvidersConfiguration"/>; changes need a restart.</summary>
public sealed class ProvidersOptions
{
    /// <summary>At least one, with different names.</summary>
    public IReadOnlyList<ProviderOptions> Providers { get; internal set; } = [];

    /// <summary>What is wrong with the configuration, one sentence each with the remedy; empty when nothing is.</summary>
    internal IReadOnlyList<string> Problems { get; set; } = [];
}
