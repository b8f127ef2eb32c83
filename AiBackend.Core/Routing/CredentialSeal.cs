using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Routing;

/// <summary>Encrypts provider keys before they are stored: AES-256-GCM, bound to the provider and model they are for.</summary>
/// <remarks>So a copy of the database gives no key away, and a row moved to another provider opens nothing.</remarks>
public sealed class CredentialSeal
{
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private static readonly byte[] Purpose = "provider credentials"u8.ToArray();

    private readonly byte[]? _key;

    /// <summary>Derives the key from the secret.</summary>
    public CredentialSeal(IOptions<RoutingOptions> options) =>
        _key = options.Value.CredentialSecret is { } secret
            ? HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret), 32, info: Purpose)
            : null;

    /// <summary>Whether there is a secret to encrypt with.</summary>
    public bool IsPossible => _key is not null;

    /// <returns>Nonce, tag and ciphertext.</returns>
    /// <exception cref="InvalidOperationException">There is no secret; ask <see cref="IsPossible"/> before.</exception>
    public byte[] Seal(string provider, string model, string value)
    {
        var plain = Encoding.UTF8.GetBytes(value);
        var box = new byte[NonceLength + TagLength + plain.Length];
        var nonce = box.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key ?? throw new InvalidOperationException("There is no secret to encrypt with."), TagLength);
        aes.Encrypt(nonce, plain, box.AsSpan(NonceLength + TagLength), box.AsSpan(NonceLength, TagLength), Owner(provider, model));
        return box;
    }

    /// <returns>Null when it was sealed with another secret or for another provider or model.</returns>
    public string? Open(string provider, string model, byte[] box)
    {
        if (_key is null || box.Length < NonceLength + TagLength)
        {
            return null;
        }

        var plain = new byte[box.Length - NonceLength - TagLength];
        using var aes = new AesGcm(_key, TagLength);
        try
        {
            aes.Decrypt(
                box.AsSpan(0, NonceLength),
                box.AsSpan(NonceLength + TagLength),
                box.AsSpan(NonceLength, TagLength),
                plain,
                Owner(provider, model)
            );
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }

        return Encoding.UTF8.GetString(plain);
    }

    private static byte[] Owner(string provider, string model) => Encoding.UTF8.GetBytes($"{provider}\n{model}");
}
