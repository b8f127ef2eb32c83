using AiBackend.Core.Secrets;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Routing;

/// <summary>Encrypts provider keys before they are stored, bound to the provider and model they are for.</summary>
public sealed class CredentialSeal
{
    private readonly SecretSeal _seal;

    /// <summary>Derives the key from the secret.</summary>
    public CredentialSeal(IOptions<RoutingOptions> options) =>
        _seal = new(options.Value.CredentialSecret, "provider credentials", options.Value.Installation);

    /// <summary>Whether there is a secret to encrypt with.</summary>
    public bool IsPossible => _seal.IsPossible;

    /// <returns>What is stored.</returns>
    /// <exception cref="InvalidOperationException">There is no secret; ask <see cref="IsPossible"/> before.</exception>
    public byte[] Seal(string provider, string model, string value) => _seal.Seal(Owner(provider, model), value);

    /// <returns>Null when it was sealed with another secret or for another provider or model.</returns>
    public string? Open(string provider, string model, byte[] box) => _seal.Open(Owner(provider, model), box);

    private static string Owner(string provider, string model) => $"{provider}\n{model}";
}
