using AiBackend.Core.Providers.Configuration;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers;

/// <summary>A model at a provider: one stop of a route.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The provider's name of the model.</param>
/// <param name="Simulated">True when no real model is behind it.</param>
/// <param name="Client">The provider's client, with telemetry and time limits; ask it for <paramref name="Model"/> by <see cref="ChatOptions.ModelId"/>.</param>
public sealed record ChatDeployment(string Provider, string Model, bool Simulated, IChatClient Client)
{
    /// <summary>What the provider allows it.</summary>
    public ProviderLimits Limits { get; init; } = ProviderLimits.None;

    /// <summary>Which of the provider's keys it is asked with, see <see cref="Keys.RefusedKey"/>.</summary>
    public string KeyId { get; init; } = "";

    /// <summary>Provider and model: under this name its limits are counted, and what waits for them names it.</summary>
    public string FullName { get; } = $"{Provider}/{Model}";
}
