using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Core.Secrets;

/// <summary>Encrypts what is stored and must be read again: AES-256-GCM, bound to whom it belongs to.</summary>
/// <remarks>So a copy of the database gives nothing away, and a row moved to another owner opens nothing.</remarks>
internal sealed class SecretSeal
{
    /// <summary>Configuration: the name of this installation, which a copy of its database elsewhere does not have.</summary>
    public const string InstallationSetting = "Installation:Name";

    private const int NonceLength = 12;
    private const int TagLength = 16;

    private readonly byte[]? _key;

    /// <param name="secret">What the key is derived from; null seals nothing.</param>
    /// <param name="purpose">What is sealed: the same secret gives each purpose its own key.</param>
    /// <param name="installation">Where: the same secret under another name opens nothing of it. Null is no name.</param>
    public SecretSeal(string? secret, string purpose, string? installation) =>
        _key = secret is null
            ? null
            : HKDF.DeriveKey(
                HashAlgorithmName.SHA256,
                Encoding.UTF8.GetBytes(secret),
                32,
                info: Encoding.UTF8.GetBytes(string.IsNullOrEmpty(installation) ? purpose : $"{purpose}\0{installation}")
            );

    /// <summary>Whether there is a secret to encrypt with.</summary>
    public bool IsPossible => _key is not null;

    /// <returns>Nonce, tag and ciphertext.</returns>
    /// <exception cref="InvalidOperationException">There is no secret; ask <see cref="IsPossible"/> before.</exception>
    public byte[] Seal(string owner, string value)
    {
        var plain = Encoding.UTF8.GetBytes(value);
        var box = new byte[NonceLength + TagLength + plain.Length];
        var nonce = box.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key ?? throw new InvalidOperationException("There is no secret to encrypt with."), TagLength);
        aes.Encrypt(nonce, plain, box.AsSpan(NonceLength + TagLength), box.AsSpan(NonceLength, TagLength), Encoding.UTF8.GetBytes(owner));
        return box;
    }

    /// <returns>Null when it was sealed with another secret or for another owner.</returns>
    public string? Open(string owner, byte[] box)
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
                Encoding.UTF8.GetBytes(owner)
            );
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }

        return Encoding.UTF8.GetString(plain);
    }
}
