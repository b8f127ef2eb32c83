using AiBackend.Core.Secrets;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Webhooks;

/// <summary>Encrypts secrets of webhooks before they are stored, bound to whom they are for.</summary>
public sealed class WebhookSeal
{
    private readonly SecretSeal _seal;

    /// <summary>Derives the key from the secret.</summary>
    public WebhookSeal(IOptions<WebhookOptions> options) =>
        _seal = new(options.Value.SealSecret, "webhook secrets", options.Value.Installation);

    /// <summary>Whether there is a secret to encrypt with.</summary>
    public bool IsPossible => _seal.IsPossible;

    /// <returns>What is stored.</returns>
    public byte[] Seal(Guid owner, string secret) => _seal.Seal(owner.ToString("N"), secret);

    /// <returns>Null when it was sealed with another secret or for somebody else.</returns>
    public WebhookSecret? Open(Guid owner, byte[] box) =>
        _seal.Open(owner.ToString("N"), box) is { } text ? WebhookSecret.TryParse(text) : null;
}
